/* The fast path of `Scopes.push`, `pop`, `start`, `end`, `close` and `event`, for the calls that nearly all calls are. What each does is said, and done for all other calls, by the Python function of that
   name, which stays behind it: whatever is unusual is declined before anything has happened.

   The state is that of the Python objects, read and written in their slots. Between two calls into Python nothing can
   come in between: no other thread, no signal handler, no finalizer. */

#include "bound.h"

/* --- Begin and end ----------------------------------------------------------------------------------------------- */

static int is_dict_or_missing(PyObject *value)
{
    return value == NULL || PyDict_CheckExact(value);
}

/* Whether nothing about the runtime is unusual: first use is over, no registrations on scopes, payloads are recorded. */
static int is_usual(PyObject *scopes, PyObject *payload)
{
    PyObject *uncaptured = get(scopes, of_scopes, S_UNCAPTURED), *locals = get(scopes, of_scopes, S_LOCALS);
    PyObject *audience = get(scopes, of_scopes, S_AUDIENCE);
    return get(scopes, of_scopes, S_READY) == Py_True && locals != NULL && PyLong_CheckExact(locals) &&
           PyLong_AsLong(locals) == 0 && audience != NULL &&
           (audience == Py_None || Py_TYPE(audience) == bound.audience) &&
           (payload == NULL || (uncaptured != NULL && PyFrozenSet_CheckExact(uncaptured) &&
                                PySet_GET_SIZE(uncaptured) == 0));
}

static int may_begin(PyObject *scopes, PyObject *name, PyObject *type, PyObject *parent)
{
    if (name == NULL || !PyUnicode_CheckExact(name) || Py_TYPE(type) != bound.scope_type || type == bound.custom) {
        return 0;
    }
    if (parent != NULL) {
        return get(parent, of_handle, CLOSED) == Py_False && get(parent, of_handle, MUTED) == Py_False;
    }
    PyObject *sampling = get(scopes, of_scopes, S_SAMPLING);
    return sampling != NULL && PyFloat_CheckExact(sampling) && PyFloat_AS_DOUBLE(sampling) == 1.0;
}

static PyObject *new_handle(PyObject *scopes, PyObject *name, PyObject *type, PyObject *parent, long long at)
{
    PyObject *us = PyLong_FromLongLong(at);
    PyObject *handle = us == NULL ? NULL : bound.handle->tp_alloc(bound.handle, 0);
    if (handle == NULL) {
        Py_XDECREF(us);
        return NULL;
    }
    PyObject *root = parent == NULL ? Py_None : get(parent, of_handle, ROOT);
    put(handle, of_handle, NAME, Py_NewRef(name));
    put(handle, of_handle, TYPE, Py_NewRef(type));
    put(handle, of_handle, PARENT, Py_NewRef(parent == NULL ? Py_None : parent));
    put(handle, of_handle, ROOT, Py_NewRef(parent != NULL && root == Py_None ? parent : root));
    put(handle, of_handle, OWNER, Py_NewRef(get(scopes, of_scopes, S_OWNER)));
    put(handle, of_handle, STARTED, us);
    put(handle, of_handle, CLOSED, Py_NewRef(Py_False));
    put(handle, of_handle, MUTED, Py_NewRef(Py_False));
    for (int which = UUID; which < HANDLE_SLOTS; which++) {
        put(handle, of_handle, which, Py_NewRef(Py_None));
    }
    return handle;
}

/* Tell of a scope that has just begun. */
static int tell_start(PyObject *scopes, PyObject *handle, PyObject *metadata, PyObject *payload, PyObject *audience)
{
    PyObject *uuid = PyObject_CallNoArgs(get(scopes, of_scopes, S_NEW_UUID)), *told = NULL, *document = NULL;
    if (uuid == NULL) {
        return FAILED;
    }
    put(handle, of_handle, UUID, uuid);
    if (metadata != NULL) {
        told = encoded_object(scopes, metadata);
        if (told == NULL) {
            return FAILED;
        }
        put(handle, of_handle, METADATA, Py_NewRef(told));
    }
    if (!wants(audience, WANTS_START)) {
        Py_XDECREF(told);
        return WRITTEN;
    }
    if (payload != NULL) {
        document = encoded(scopes, payload);
        if (document == NULL) {
            Py_XDECREF(told);
            return FAILED;
        }
    }
    long long at = PyLong_AsLongLong(get(handle, of_handle, STARTED));
    return emit(scopes, handle, bound.start, at, document, told, Py_NewRef(audience));
}

/* Start a scope; the caller has checked everything. */
static PyObject *begin(PyObject *scopes, PyObject *name, PyObject *type, PyObject *parent, PyObject *metadata,
                       PyObject *payload)
{
    long long at = now(scopes);
    PyObject *handle = at == -1 ? NULL : new_handle(scopes, name, type, parent, at);
    if (handle == NULL || add(scopes, of_scopes, S_BEGUN, 1)) {
        Py_XDECREF(handle);
        return NULL;
    }
    PyObject *audience = audience_of(scopes);
    int result = WRITTEN;
    if (audience != NULL) {
        result = tell_start(scopes, handle, metadata, payload, audience);
        Py_DECREF(audience);
    }
    else if (metadata != NULL) {
        PyObject *copy = PyDict_Copy(metadata);
        put(handle, of_handle, METADATA, copy);
        result = copy == NULL ? FAILED : WRITTEN;
    }
    if (result) {
        Py_CLEAR(handle);
    }
    return handle;
}

static int has(PyObject *document, const char *text)
{
    const char *at = PyBytes_AS_STRING(document), *end = at + PyBytes_GET_SIZE(document);
    size_t length = strlen(text);
    while (end - at >= (Py_ssize_t)length && (at = memchr(at, *text, (size_t)(end - at) - length + 1)) != NULL) {
        if (memcmp(at, text, length) == 0) {
            return 1;
        }
        at++;
    }
    return 0;
}

/* The metadata of the end of a scope that ended well: its status laid over the start's, then the end's own. */
static PyObject *told_at_end(PyObject *scopes, PyObject *started, PyObject *metadata)
{
    if (metadata == NULL && started == Py_None) {
        return Py_NewRef(bound.ok_metadata);
    }
    if (metadata == NULL && PyBytes_CheckExact(started) && PyBytes_GET_SIZE(started) >= 2 &&
        !has(started, "\"otel.status") && !has(started, "\"relay.outcome")) {
        Py_ssize_t length = PyBytes_GET_SIZE(started) - 1, status = PyBytes_GET_SIZE(bound.ok_status);
        int comma = length > 1;
        PyObject *told = PyBytes_FromStringAndSize(NULL, length + comma + status + 1);
        if (told != NULL) {
            char *to = PyBytes_AS_STRING(told);
            memcpy(to, PyBytes_AS_STRING(started), (size_t)length);
            to += length;
            if (comma) {
                *to++ = ',';
            }
            memcpy(to, PyBytes_AS_STRING(bound.ok_status), (size_t)status);
            to[status] = '}';
        }
        return told;
    }
    PyObject *args[] = {scopes, started, metadata == NULL ? Py_None : metadata, bound.ok, Py_None};
    return PyObject_VectorcallMethod(bound.told, args, 5, NULL);
}

/* Whether the fast path can end a scope; `outer` becomes what is current then, borrowed or NULL. */
static int may_end(PyObject *scopes, PyObject *handle, PyObject *metadata, PyObject *output, PyObject **outer)
{
    return Py_TYPE(handle) == bound.handle && get(handle, of_handle, CLOSED) == Py_False &&
           get(handle, of_handle, OWNER) == get(scopes, of_scopes, S_OWNER) &&
           get(handle, of_handle, EXTRAS) == Py_None && is_dict_or_missing(metadata) && is_usual(scopes, output) &&
           first_open(get(handle, of_handle, OUTER), outer) == WRITTEN;
}

/* End a scope well; the caller has checked everything. */
static int finish(PyObject *scopes, PyObject *handle, PyObject *output, PyObject *metadata, PyObject *outer)
{
    put(handle, of_handle, CLOSED, Py_NewRef(Py_True));
    put(handle, of_handle, OUTER, Py_NewRef(outer == NULL ? Py_None : outer));
    PyObject *audience = audience_of(scopes);
    if (add(scopes, of_scopes, S_ENDED, 1)) {
        Py_XDECREF(audience);
        return FAILED;
    }
    if (!wants(audience, WANTS_END) || get(handle, of_handle, MUTED) != Py_False) {
        Py_XDECREF(audience);
        return WRITTEN;
    }
    long long started = PyLong_AsLongLong(get(handle, of_handle, STARTED)), at = now(scopes);
    PyObject *told = at == -1 ? NULL : told_at_end(scopes, get(handle, of_handle, METADATA), metadata);
    PyObject *document = told == NULL || output == NULL ? NULL : encoded(scopes, output);
    /* Also when a KeyboardInterrupt has hit the encoding: a scope that has closed has an end. */
    PyObject *kind, *error, *trace;
    PyErr_Fetch(&kind, &error, &trace);
    int result = emit(scopes, handle, bound.end, at > started ? at : started + 1, document,
                      told == NULL ? Py_NewRef(bound.ok_metadata) : told, audience);
    if (kind != NULL) {
        PyErr_Restore(kind, error, trace);
        result = FAILED;
    }
    return result;
}

int fast_begin(int pushes, PyObject **arguments, PyObject **result)
{
    PyObject *scopes = arguments[0], *name = arguments[1], *type = arguments[2], *handle = arguments[3];
    PyObject *metadata = arguments[4], *payload = arguments[5], *outer = NULL, *parent = NULL;
    if (!is_usual(scopes, payload) || !is_dict_or_missing(metadata)) {
        return FOREIGN;
    }
    if (type == NULL) {
        type = bound.function;
    }
    int found = surroundings(scopes, handle, pushes, &outer, &parent);
    if (found) {
        return found;
    }
    if (!may_begin(scopes, name, type, parent)) {
        Py_XDECREF(outer);
        return FOREIGN;
    }
    Py_XINCREF(parent);
    PyObject *started = begin(scopes, name, type, parent, metadata, payload);
    Py_XDECREF(parent);
    if (started != NULL && pushes) {
        put(started, of_handle, OUTER, Py_NewRef(outer == NULL ? Py_None : outer));
        if (make_current(started)) {
            Py_CLEAR(started);
        }
    }
    Py_XDECREF(outer);
    *result = started;
    return started == NULL ? FAILED : WRITTEN;
}

/* End a scope; `leaves` where the context is to be given what was current outside of it. */
int fast_end(PyObject *scopes, PyObject *handle, PyObject *output, PyObject *metadata, int leaves)
{
    PyObject *outer;
    if (handle == NULL || !may_end(scopes, handle, metadata, output, &outer)) {
        return FOREIGN;
    }
    return finish(scopes, handle, output, metadata, outer) || (leaves && leave(handle)) ? FAILED : WRITTEN;
}

static PyObject *new_mark(PyObject *scopes, PyObject *name, PyObject *scope)
{
    PyObject *uuid = PyObject_CallNoArgs(get(scopes, of_scopes, S_NEW_UUID));
    PyObject *mark = uuid == NULL ? NULL : bound.mark->tp_alloc(bound.mark, 0);
    if (mark == NULL) {
        Py_XDECREF(uuid);
        return NULL;
    }
    put(mark, of_mark, M_NAME, Py_NewRef(name));
    put(mark, of_mark, M_SCOPE, Py_NewRef(scope == NULL ? Py_None : scope));
    put(mark, of_mark, M_UUID, uuid);
    put(mark, of_mark, M_CATEGORY, Py_NewRef(Py_None));
    put(mark, of_mark, M_WIRE, Py_NewRef(Py_None));
    return mark;
}

static int tell_mark(PyObject *scopes, PyObject *name, PyObject *scope, PyObject *data, PyObject *metadata, long long at,
                     PyObject *audience)
{
    PyObject *document = data == NULL ? NULL : encoded(scopes, data);
    if (data != NULL && document == NULL) {
        return FAILED;
    }
    PyObject *told = metadata == NULL ? NULL : encoded_object(scopes, metadata);
    PyObject *mark = metadata != NULL && told == NULL ? NULL : new_mark(scopes, name, scope);
    if (mark == NULL) {
        Py_XDECREF(document);
        Py_XDECREF(told);
        return FAILED;
    }
    int result = emit(scopes, mark, NULL, at, document, told, Py_NewRef(audience));
    Py_DECREF(mark);
    return result;
}

int fast_event(PyObject **arguments, PyObject **result)
{
    PyObject *scopes = arguments[0], *name = arguments[1], *handle = arguments[2], *data = arguments[3];
    PyObject *metadata = arguments[4], *outer = NULL, *scope = NULL;
    if (!is_usual(scopes, NULL) || !is_dict_or_missing(metadata) || name == NULL || !PyUnicode_CheckExact(name)) {
        return FOREIGN;
    }
    int found = surroundings(scopes, handle, 0, &outer, &scope);
    if (found) {
        return found;
    }
    long long at = now(scopes);
    found = at == -1 ? FAILED : WRITTEN;
    PyObject *audience = audience_of(scopes);
    if (!found && wants(audience, WANTS_MARK) && (scope == NULL || get(scope, of_handle, MUTED) == Py_False)) {
        Py_XINCREF(scope);
        found = tell_mark(scopes, name, scope, data, metadata, at, audience);
        Py_XDECREF(scope);
    }
    Py_XDECREF(audience);
    Py_XDECREF(outer);
    *result = found ? NULL : Py_NewRef(Py_None);
    return found;
}

