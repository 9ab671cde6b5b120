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

/* Keep what the end's profile repeats of the start's; says how many entries that are, or -1. */
static Py_ssize_t keep_identity(PyObject *handle, PyObject *profile)
{
    PyObject *kept = PyDict_New();
    for (Py_ssize_t index = 0; kept != NULL && index < PyTuple_GET_SIZE(bound.kept); index++) {
        PyObject *key = PyTuple_GET_ITEM(bound.kept, index), *value = PyDict_GetItemWithError(profile, key);
        if (PyErr_Occurred() || (value != NULL && PyUnicode_Check(value) && PyDict_SetItem(kept, key, value))) {
            Py_CLEAR(kept);
        }
    }
    Py_ssize_t count = kept == NULL ? -1 : PyDict_GET_SIZE(kept);
    if (count > 0) {
        PyObject *extras = bound.extras->tp_alloc(bound.extras, 0), *none = PyTuple_New(0), *metadata = PyDict_New();
        if (extras == NULL || none == NULL || metadata == NULL) {
            Py_XDECREF(extras);
            Py_XDECREF(none);
            Py_XDECREF(metadata);
            Py_DECREF(kept);
            return -1;
        }
        put(extras, of_extras, E_ATTRIBUTES, none);
        put(extras, of_extras, E_DATA, Py_NewRef(Py_None));
        put(extras, of_extras, E_IDENTITY, Py_NewRef(kept));
        put(extras, of_extras, E_LOCAL, Py_NewRef(Py_None));
        put(extras, of_extras, E_METADATA, metadata);
        put(extras, of_extras, E_OUTPUT, Py_NewRef(Py_None));
        put(handle, of_handle, EXTRAS, extras);
    }
    Py_XDECREF(kept);
    return count;
}

/* What a scope begins with, borrowed; NULL for None. */
typedef struct {
    PyObject *name, *type, *parent, *metadata, *payload, *schema, *profile;
} Start;

/* Encode what the start event says; the event owns it. */
static int encode_start(PyObject *scopes, PyObject *handle, const Start *start, Py_ssize_t kept, Event *event)
{
    if (start->payload != NULL) {
        event->document = encoded(scopes, start->payload);
        if (event->document == NULL) {
            return FAILED;
        }
        event->size = PyBytes_GET_SIZE(event->document);
    }
    if (start->profile != NULL) {
        event->profile = encoded_object(scopes, start->profile);
        if (event->profile == NULL) {
            return FAILED;
        }
        event->size += PyBytes_GET_SIZE(event->profile);
        if (kept > 0 && kept == PyDict_GET_SIZE(start->profile)) { /* all is repeated: one document for both events */
            put(get(handle, of_handle, EXTRAS), of_extras, E_IDENTITY, Py_NewRef(event->profile));
        }
    }
    event->schema = Py_XNewRef(start->schema);
    return WRITTEN;
}

/* Tell of a scope that has just begun. */
static int tell_start(PyObject *scopes, PyObject *handle, const Start *start, PyObject *audience)
{
    Py_ssize_t kept = start->profile == NULL ? 0 : keep_identity(handle, start->profile);
    PyObject *uuid = kept < 0 ? NULL : PyObject_CallNoArgs(get(scopes, of_scopes, S_NEW_UUID));
    if (uuid == NULL) {
        return FAILED;
    }
    put(handle, of_handle, UUID, uuid);
    Event event = {0};
    if (start->metadata != NULL) {
        event.told = encoded_object(scopes, start->metadata);
        if (event.told == NULL) {
            return FAILED;
        }
        put(handle, of_handle, METADATA, Py_NewRef(event.told));
    }
    int result = WRITTEN, is_wanted = wants(audience, WANTS_START);
    if (is_wanted) {
        result = encode_start(scopes, handle, start, kept, &event);
    }
    if (result || !is_wanted) {
        forget_event(&event);
        return result;
    }
    event.audience = Py_NewRef(audience);
    return emit(scopes, handle, bound.start, PyLong_AsLongLong(get(handle, of_handle, STARTED)), &event);
}

/* Start a scope; the caller has checked everything. */
static PyObject *begin(PyObject *scopes, const Start *start)
{
    long long at = now(scopes);
    PyObject *handle = at == -1 ? NULL : new_handle(scopes, start->name, start->type, start->parent, at);
    if (handle == NULL || add(scopes, of_scopes, S_BEGUN, 1)) {
        Py_XDECREF(handle);
        return NULL;
    }
    PyObject *audience = audience_of(scopes);
    int result = WRITTEN;
    if (audience != NULL) {
        result = tell_start(scopes, handle, start, audience);
        Py_DECREF(audience);
    }
    else if (start->metadata != NULL) {
        PyObject *copy = PyDict_Copy(start->metadata);
        put(handle, of_handle, METADATA, copy);
        result = copy == NULL ? FAILED : WRITTEN;
    }
    if (result) {
        Py_CLEAR(handle);
    }
    return handle;
}

/* --- End --------------------------------------------------------------------------------------------------------- */

static int has(PyObject *document, const char *text, size_t length)
{
    const char *at = PyBytes_AS_STRING(document), *end = at + PyBytes_GET_SIZE(document);
    while (end - at >= (Py_ssize_t)length && (at = memchr(at, *text, (size_t)(end - at) - length + 1)) != NULL) {
        if (memcmp(at, text, length) == 0) {
            return 1;
        }
        at++;
    }
    return 0;
}

static int tells_status(PyObject *document)
{
    return has(document, "\"otel.status", 12) || has(document, "\"relay.outcome", 14);
}

/* Whether no key of a dict is one of a JSON object's; says no where that is not certain. */
static int are_apart(PyObject *object, PyObject *dict)
{
    char quoted[96];
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(dict, &at, &key, &value)) {
        if (!PyUnicode_CheckExact(key) || !PyUnicode_IS_COMPACT_ASCII(key)) {
            return 0;
        }
        Py_ssize_t length = PyUnicode_GET_LENGTH(key);
        const char *text = (const char *)PyUnicode_DATA(key);
        if (length > (Py_ssize_t)sizeof quoted - 2) {
            return 0;
        }
        for (Py_ssize_t index = 0; index < length; index++) {
            if (text[index] < 0x20 || text[index] == '"' || text[index] == '\\') {
                return 0;
            }
        }
        quoted[0] = '"';
        memcpy(quoted + 1, text, (size_t)length);
        quoted[length + 1] = '"';
        if (has(object, quoted, (size_t)length + 2)) {
            return 0;
        }
    }
    return 1;
}

/* Join JSON objects that are apart, each without its braces, in one. */
static PyObject *joined(const char *const *insides, const Py_ssize_t *lengths, int count)
{
    Py_ssize_t length = 2;
    for (int index = 0; index < count; index++) {
        length += lengths[index] + 1;
    }
    PyObject *made = PyBytes_FromStringAndSize(NULL, length);
    if (made == NULL) {
        return NULL;
    }
    char *to = PyBytes_AS_STRING(made);
    *to++ = '{';
    int is_first = 1;
    for (int index = 0; index < count; index++) {
        if (lengths[index]) {
            if (!is_first) {
                *to++ = ',';
            }
            memcpy(to, insides[index], (size_t)lengths[index]);
            to += lengths[index];
            is_first = 0;
        }
    }
    *to++ = '}';
    _PyBytes_Resize(&made, to - PyBytes_AS_STRING(made));
    return made;
}

static const char *inside(PyObject *object, Py_ssize_t *length)
{
    *length = PyBytes_GET_SIZE(object) - 2;
    return PyBytes_AS_STRING(object) + 1;
}

static int is_object(PyObject *document)
{
    return PyBytes_CheckExact(document) && PyBytes_GET_SIZE(document) >= 2 && *PyBytes_AS_STRING(document) == '{';
}

/* The metadata of the end of a scope that ended well: its status laid over the start's, then the end's own. */
static PyObject *told_at_end(PyObject *scopes, PyObject *started, PyObject *metadata)
{
    if (metadata == NULL && started == Py_None) {
        return Py_NewRef(bound.ok_metadata);
    }
    int is_simple = started == Py_None || (is_object(started) && !tells_status(started));
    PyObject *own = NULL;
    if (is_simple && metadata != NULL) {
        is_simple = started == Py_None || are_apart(started, metadata);
        own = is_simple ? encoded_object(scopes, metadata) : NULL;
        if (is_simple && own == NULL) {
            return NULL;
        }
        is_simple = is_simple && is_object(own) && !tells_status(own);
    }
    PyObject *told;
    if (is_simple) {
        const char *insides[3] = {"", PyBytes_AS_STRING(bound.ok_status), ""};
        Py_ssize_t lengths[3] = {0, PyBytes_GET_SIZE(bound.ok_status), 0};
        if (started != Py_None) {
            insides[0] = inside(started, &lengths[0]);
        }
        if (own != NULL) {
            insides[2] = inside(own, &lengths[2]);
        }
        told = joined(insides, lengths, 3);
    }
    else {
        PyObject *args[] = {scopes, started, metadata == NULL ? Py_None : metadata, bound.ok, Py_None};
        told = PyObject_VectorcallMethod(bound.told, args, 5, NULL);
    }
    Py_XDECREF(own);
    return told;
}

/* The profile of the end: what is repeated of the start's, and the end's own laid over it. NULL for None, or failed. */
static PyObject *profile_at_end(PyObject *scopes, PyObject *handle, PyObject *identity, PyObject *profile)
{
    if (profile == NULL) {
        return identity == Py_None ? NULL : PyBytes_CheckExact(identity) ? Py_NewRef(identity) : encoded(scopes, identity);
    }
    if (identity == Py_None) {
        return encoded_object(scopes, profile);
    }
    if (is_object(identity) && are_apart(identity, profile)) {
        PyObject *own = encoded_object(scopes, profile), *made = NULL;
        if (own != NULL && is_object(own)) {
            const char *insides[2];
            Py_ssize_t lengths[2];
            insides[0] = inside(identity, &lengths[0]);
            insides[1] = inside(own, &lengths[1]);
            made = joined(insides, lengths, 2);
        }
        Py_XDECREF(own);
        return made;
    }
    PyObject *args[] = {scopes, handle, profile};
    return PyObject_VectorcallMethod(bound.end_profile, args, 3, NULL);
}

/* What a scope ends with, borrowed; NULL for None. */
typedef struct {
    PyObject *output, *metadata, *schema, *profile, *outer;
} End;

/* Add what was put on a scope meanwhile; says whether that can be done here. */
static int take_extras(PyObject *handle, End *end)
{
    PyObject *extras = get(handle, of_handle, EXTRAS);
    if (extras == Py_None) {
        return 1;
    }
    PyObject *metadata = get(extras, of_extras, E_METADATA), *output = get(extras, of_extras, E_OUTPUT);
    if (Py_TYPE(extras) != bound.extras || get(extras, of_extras, E_LOCAL) != Py_None || !PyDict_CheckExact(metadata)) {
        return 0;
    }
    if (PyDict_GET_SIZE(metadata)) {
        if (end->metadata != NULL) {
            return 0;
        }
        end->metadata = metadata;
    }
    if (end->output == NULL && output != Py_None) {
        if (!PyTuple_CheckExact(output) || PyTuple_GET_SIZE(output) != 1) {
            return 0;
        }
        end->output = PyTuple_GET_ITEM(output, 0) == Py_None ? NULL : PyTuple_GET_ITEM(output, 0);
    }
    return 1;
}

static int may_end(PyObject *scopes, PyObject *handle, End *end)
{
    return Py_TYPE(handle) == bound.handle && get(handle, of_handle, CLOSED) == Py_False &&
           get(handle, of_handle, OWNER) == get(scopes, of_scopes, S_OWNER) && is_dict_or_missing(end->metadata) &&
           is_dict_or_missing(end->profile) && take_extras(handle, end) &&
           is_usual(scopes, end->output != NULL ? end->output : end->profile) &&
           first_open(get(handle, of_handle, OUTER), &end->outer) == WRITTEN;
}

/* Encode what the end event says, as far as that succeeds. */
static void encode_end(PyObject *scopes, PyObject *handle, const End *end, Event *event)
{
    PyObject *extras = get(handle, of_handle, EXTRAS);
    PyObject *identity = extras == Py_None ? Py_None : get(extras, of_extras, E_IDENTITY);
    event->told = told_at_end(scopes, get(handle, of_handle, METADATA), end->metadata);
    if (event->told == NULL) {
        return;
    }
    event->profile = profile_at_end(scopes, handle, identity, end->profile);
    if (event->profile == NULL && PyErr_Occurred()) {
        return;
    }
    if (end->profile != NULL) {
        event->size = PyBytes_GET_SIZE(event->profile);
    }
    if (end->output != NULL) {
        event->document = encoded(scopes, end->output);
        event->size += event->document == NULL ? 0 : PyBytes_GET_SIZE(event->document);
    }
    event->schema = Py_XNewRef(end->schema);
}

/* End a scope well; the caller has checked everything. */
static int finish(PyObject *scopes, PyObject *handle, const End *end)
{
    put(handle, of_handle, CLOSED, Py_NewRef(Py_True));
    put(handle, of_handle, OUTER, Py_NewRef(end->outer == NULL ? Py_None : end->outer));
    Event event = {.audience = audience_of(scopes)};
    if (add(scopes, of_scopes, S_ENDED, 1) || !wants(event.audience, WANTS_END) ||
        get(handle, of_handle, MUTED) != Py_False) {
        forget_event(&event);
        return PyErr_Occurred() ? FAILED : WRITTEN;
    }
    long long started = PyLong_AsLongLong(get(handle, of_handle, STARTED)), at = now(scopes);
    if (at != -1) {
        encode_end(scopes, handle, end, &event);
    }
    /* Also when a KeyboardInterrupt has hit the encoding: a scope that has closed has an end. */
    PyObject *kind, *error, *trace;
    PyErr_Fetch(&kind, &error, &trace);
    if (event.told == NULL) {
        event.told = Py_NewRef(bound.ok_metadata);
    }
    int result = emit(scopes, handle, bound.end, at > started ? at : started + 1, &event);
    if (kind != NULL) {
        PyErr_Restore(kind, error, trace);
        result = FAILED;
    }
    return result;
}

/* --- The functions, with their arguments sorted ------------------------------------------------------------------ */

/* Check a schema, with relay_core's own words where it is none: a new reference, or NULL with or without an error. */
static PyObject *checked_schema(PyObject *schema)
{
    PyObject *checked = schema == NULL ? NULL : PyObject_CallOneArg(bound.check_schema, schema);
    if (checked != NULL && !PyBytes_CheckExact(checked)) {
        Py_CLEAR(checked);
    }
    return checked;
}

int fast_begin(int pushes, PyObject **arguments, PyObject **result)
{
    PyObject *scopes = arguments[0], *handle = arguments[3], *outer = NULL;
    Start start = {.name = arguments[1], .type = arguments[2] == NULL ? bound.function : arguments[2],
                   .metadata = arguments[4], .payload = arguments[5]};
    if (!pushes) {
        start.schema = arguments[6];
        start.profile = arguments[7];
    }
    if (!is_usual(scopes, start.payload != NULL ? start.payload : start.profile) || !is_dict_or_missing(start.metadata) ||
        !is_dict_or_missing(start.profile) || (start.profile && get(scopes, of_scopes, S_AUDIENCE) == Py_None)) {
        return FOREIGN;
    }
    int found = surroundings(scopes, handle, pushes, &outer, &start.parent);
    if (found) {
        return found;
    }
    if (!may_begin(scopes, start.name, start.type, start.parent)) {
        Py_XDECREF(outer);
        return FOREIGN;
    }
    PyObject *schema = start.schema = checked_schema(start.schema);
    if (schema == NULL && PyErr_Occurred()) {
        Py_XDECREF(outer);
        return FAILED;
    }
    Py_XINCREF(start.parent);
    PyObject *started = begin(scopes, &start);
    Py_XDECREF(start.parent);
    Py_XDECREF(schema);
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

/* End a scope: arguments are scopes, handle, output, metadata, schema and profile. `leaves` where the context is to be
   given what was current outside of it. */
int fast_end(PyObject *scopes, PyObject **arguments, int leaves)
{
    PyObject *handle = arguments[1];
    End end = {.output = arguments[2], .metadata = arguments[3], .schema = arguments[4], .profile = arguments[5]};
    if (handle == NULL || !may_end(scopes, handle, &end)) {
        return FOREIGN;
    }
    PyObject *schema = end.schema = checked_schema(end.schema);
    if (schema == NULL && PyErr_Occurred()) {
        return FAILED;
    }
    Py_XINCREF(end.metadata);
    Py_XINCREF(end.output);
    int result = finish(scopes, handle, &end) || (leaves && leave(handle)) ? FAILED : WRITTEN;
    Py_XDECREF(end.metadata);
    Py_XDECREF(end.output);
    Py_XDECREF(schema);
    return result;
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
    Event event = {.document = data == NULL ? NULL : encoded(scopes, data)};
    int result = data != NULL && event.document == NULL ? FAILED : WRITTEN;
    if (!result && metadata != NULL) {
        event.told = encoded_object(scopes, metadata);
        result = event.told == NULL ? FAILED : WRITTEN;
    }
    PyObject *mark = result ? NULL : new_mark(scopes, name, scope);
    if (mark == NULL) {
        forget_event(&event);
        return FAILED;
    }
    event.size = event.document == NULL ? 0 : PyBytes_GET_SIZE(event.document);
    event.audience = Py_NewRef(audience);
    result = emit(scopes, mark, NULL, at, &event);
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

