/* Binding: learning the classes of relay_core. */

#include "bound.h"

#include <structmember.h>

Slot of_handle[] = {{"_name", 0},  {"_type", 0},     {"_parent", 0}, {"_root", 0},  {"_owner", 0},
                           {"_us", 0},    {"_closed", 0},   {"_muted", 0},  {"_uuid", 0},  {"_metadata", 0},
                           {"_extras", 0}, {"_outer", 0},   {"_run", 0},    {"wire", 0}};
Slot of_mark[] = {{"_name", 0}, {"_scope", 0}, {"_uuid", 0}, {"_category", 0}, {"wire", 0}};
Slot of_scopes[] = {{"ready", 0},   {"_local_handles", 0}, {"current_runs", 0}, {"root", 0},    {"_owner", 0},
                           {"_begun", 0},  {"_ended", 0},         {"audience", 0},     {"uncaptured", 0},
                           {"sampling", 0}, {"time_ns", 0},       {"new_uuid", 0},     {"_emit", 0},   {"_encode", 0}};
Slot of_queue[] = {{"emitted", 0},      {"delivering_in", 0}, {"items", 0},  {"bytes", 0},
                          {"_alert_events", 0}, {"_alert_bytes", 0}, {"_attend", 0}};
Slot of_extras[] = {{"attributes", 0}, {"data", 0}, {"identity", 0}, {"local", 0}, {"metadata", 0}, {"output", 0}};
Slot of_audience[] = {{"wants_start", 0}, {"wants_end", 0}, {"wants_mark", 0}};

struct Bound bound;

/* Add to a counter, which is an int. */
int add(PyObject *object, const Slot *slots, int which, long long more)
{
    PyObject *old = get(object, slots, which);
    if (old == NULL || !PyLong_Check(old)) {
        PyErr_SetString(PyExc_SystemError, "relay_native: a counter is no int");
        return FAILED;
    }
    PyObject *sum = PyLong_FromLongLong(PyLong_AsLongLong(old) + more);
    if (sum == NULL) {
        return FAILED;
    }
    put(object, slots, which, sum);
    return WRITTEN;
}

/* Learn where instances of a class keep what the fast path reads. */
static int find_slots(PyObject *type, Slot *slots, int count)
{
    for (int index = 0; index < count; index++) {
        PyObject *member = PyObject_GetAttrString(type, slots[index].name);
        if (member == NULL) {
            return FAILED;
        }
        int is_slot = Py_TYPE(member) == &PyMemberDescr_Type &&
                      ((PyMemberDescrObject *)member)->d_member->type == T_OBJECT_EX;
        slots[index].offset = is_slot ? ((PyMemberDescrObject *)member)->d_member->offset : 0;
        Py_DECREF(member);
        if (!is_slot) {
            PyErr_Format(PyExc_TypeError, "%R has no slot %s", type, slots[index].name);
            return FAILED;
        }
    }
    return WRITTEN;
}

PyObject *scopes_bind(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"scopes", "handle",   "mark",   "queue", "audience",   "scope_type",
                            "current", "function", "custom", "ok",    "ok_status", "clock",
                            "extras", "check_schema", "kept", NULL};
    PyObject *scopes, *handle, *mark, *queue, *audience, *scope_type;
    PyObject *current, *function, *custom, *ok, *ok_status, *clock, *extras, *check_schema, *kept;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$O!O!O!O!O!O!O!OOOO!OO!OO!:bind", names, &PyType_Type, &scopes,
                                     &PyType_Type, &handle, &PyType_Type, &mark, &PyType_Type, &queue, &PyType_Type,
                                     &audience, &PyType_Type, &scope_type, &PyContextVar_Type, &current, &function,
                                     &custom, &ok, &PyBytes_Type, &ok_status, &clock, &PyType_Type, &extras,
                                     &check_schema, &PyTuple_Type, &kept)) {
        return NULL;
    }
    if (find_slots(scopes, of_scopes, SCOPES_SLOTS) || find_slots(handle, of_handle, HANDLE_SLOTS) ||
        find_slots(mark, of_mark, MARK_SLOTS) || find_slots(queue, of_queue, QUEUE_SLOTS) ||
        find_slots(audience, of_audience, AUDIENCE_SLOTS) || find_slots(extras, of_extras, EXTRAS_SLOTS)) {
        return NULL;
    }
    PyObject *metadata = PyBytes_FromFormat("{%s}", PyBytes_AS_STRING(ok_status));
    bound.append = PyUnicode_InternFromString("append");
    bound.start = PyUnicode_InternFromString("start");
    bound.end = PyUnicode_InternFromString("end");
    bound.told = PyUnicode_InternFromString("_told");
    bound.end_profile = PyUnicode_InternFromString("_end_profile");
    if (metadata == NULL || !bound.append || !bound.start || !bound.end || !bound.told || !bound.end_profile) {
        Py_XDECREF(metadata);
        return NULL;
    }
    /* Kept for ever, like the classes' own modules; bound once. */
    bound.handle = (PyTypeObject *)Py_NewRef(handle);
    bound.mark = (PyTypeObject *)Py_NewRef(mark);
    bound.audience = (PyTypeObject *)Py_NewRef(audience);
    bound.scope_type = (PyTypeObject *)Py_NewRef(scope_type);
    bound.current = Py_NewRef(current);
    bound.function = Py_NewRef(function);
    bound.custom = Py_NewRef(custom);
    bound.ok = Py_NewRef(ok);
    bound.ok_metadata = metadata;
    bound.ok_status = Py_NewRef(ok_status);
    bound.clock = Py_NewRef(clock);
    bound.extras = (PyTypeObject *)Py_NewRef(extras);
    bound.check_schema = Py_NewRef(check_schema);
    bound.kept = Py_NewRef(kept);
    Py_RETURN_NONE;
}
