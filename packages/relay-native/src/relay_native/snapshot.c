/* The payload snapshot: an object of any kind becomes JSON bytes, now.

   Two passes. The first runs no Python code, so nothing that it walks can change: it takes plain types and what has a
   plan. What it refuses gets a second one, in which foreign types are converted by Python functions and which therefore
   walks copies of all containers. What that refuses, too, is for relay_core's own walk. */

#include "native.h"

#include <stddef.h>
#include <structmember.h>

#define MOST_DEPTH 200
#define KEPT_SCRATCH (1 << 20) /* bytes of buffer that are kept from one document to the next */
#define LAST_CONVERSION 3      /* relay_core.payload.projection: LEAF, CONTAINER, STAND_IN, PROJECTED */

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    Py_ssize_t most;
    int depth;
    PyObject *projections;
    PyObject *at_length;
} Snapshot;

/* --- Foreign types ----------------------------------------------------------------------------------------------- */

/* Return what a dict by type ids holds for a type: borrowed, NULL where it holds nothing or an error is set. */
static PyObject *by_type(PyObject *dict, PyTypeObject *type)
{
    PyObject *key = PyLong_FromVoidPtr(type);
    if (key == NULL) {
        return NULL;
    }
    PyObject *found = PyDict_GetItemWithError(dict, key);
    Py_DECREF(key);
    return found;
}

static int learn_plans(Writer *out)
{
    if (out->plans == NULL) {
        out->plans = PyObject_GetAttrString(out->projections, "plans");
        out->shapes = PyObject_GetAttrString(out->projections, "known");
        out->lists = PyObject_GetAttrString(out->projections, "lists");
        if (out->plans == NULL || out->shapes == NULL || out->lists == NULL || !PyDict_CheckExact(out->plans) ||
            !PyDict_CheckExact(out->shapes) || !PyDict_CheckExact(out->lists)) {
            return FOREIGN; /* with an error or without: whoever called clears it */
        }
    }
    return WRITTEN;
}

/* Return what `plans` holds for a type, borrowed: a plan, or the number of a kind of standard.c. */
static PyObject *plan_of(Writer *out, PyTypeObject *type)
{
    PyObject *plan;
    if (out->converts) { /* types may come and go meanwhile */
        plan = by_type(out->plans, type);
    }
    else {
        size_t place = ((size_t)type >> 5) % KNOWN_TYPES;
        if (out->known[place] != type) {
            out->known[place] = type;
            out->known_plans[place] = by_type(out->plans, type);
        }
        plan = out->known_plans[place];
    }
    return plan != NULL && (Py_TYPE(plan) == &Plan_Type || PyLong_CheckExact(plan)) ? plan : NULL;
}

static int write_instance(Writer *out, PyObject *value, PyObject *plan, int depth)
{
    if (PyLong_CheckExact(plan)) {
        return write_standard(out, value, PyLong_AsLong(plan), depth);
    }
    if (!plan_fits(plan, value)) {
        return FOREIGN;
    }
    PyObject *fields = PyObject_GenericGetDict(value, NULL);
    if (fields == NULL || !PyDict_CheckExact(fields)) {
        Py_XDECREF(fields);
        return FOREIGN;
    }
    int result = write_planned(out, plan, fields, depth);
    Py_DECREF(fields);
    return result;
}

/* Write what a Python function makes of a value. Its errors are left to relay_core's walk, which records them. */
static int write_converted(Writer *out, PyObject *value, int depth)
{
    PyObject *shape = by_type(out->shapes, Py_TYPE(value));
    if (shape == NULL || !PyTuple_CheckExact(shape) || PyTuple_GET_SIZE(shape) != 2) {
        return FOREIGN;
    }
    long mode = PyLong_AsLong(PyTuple_GET_ITEM(shape, 0));
    if (mode < 0 || mode > LAST_CONVERSION) {
        return FOREIGN;
    }
    Py_INCREF(shape);
    PyObject *made = PyObject_CallOneArg(PyTuple_GET_ITEM(shape, 1), value);
    Py_DECREF(shape);
    if (made == NULL) {
        return PyErr_ExceptionMatches(PyExc_Exception) ? FOREIGN : FAILED;
    }
    int result = made == value ? FOREIGN : write_value(out, made, depth);
    Py_DECREF(made);
    return result;
}

static int write_foreign(Writer *out, PyObject *value, int depth)
{
    if (out->projections == NULL || learn_plans(out)) {
        return FOREIGN;
    }
    PyObject *plan = plan_of(out, Py_TYPE(value));
    if (plan != NULL) {
        Py_ssize_t start = out->length;
        Py_INCREF(plan);
        int result = write_instance(out, value, plan, depth);
        Py_DECREF(plan);
        if (result != FOREIGN || !out->converts || PyErr_Occurred()) {
            return result;
        }
        out->length = start;
    }
    return out->converts ? write_converted(out, value, depth - 1) : FOREIGN;
}

/* --- Plain types ------------------------------------------------------------------------------------------------- */

int write_items(Writer *out, PyObject **items, Py_ssize_t count, int depth)
{
    if (count > out->most) {
        return OVERSIZE;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        int result = write_byte(out, index ? ',' : '[');
        if (!result) {
            result = write_value(out, items[index], depth);
        }
        if (result) {
            return result;
        }
    }
    return count ? write_byte(out, ']') : write_bytes(out, "[]", 2);
}

/* Have a list of our own converted as a whole, where there is a function for its first item: replaces the list. */
static int convert_list(Writer *out, PyObject **list)
{
    if (PyList_GET_SIZE(*list) == 0 || out->projections == NULL || learn_plans(out)) {
        return PyErr_Occurred() ? FOREIGN : WRITTEN;
    }
    PyTypeObject *type = Py_TYPE(PyList_GET_ITEM(*list, 0));
    PyObject *project = plan_of(out, type) == NULL ? by_type(out->lists, type) : NULL;
    if (project == NULL) {
        return PyErr_Occurred() ? FAILED : WRITTEN;
    }
    Py_INCREF(project);
    PyObject *made = PyObject_CallOneArg(project, *list);
    Py_DECREF(project);
    if (made == NULL) {
        return PyErr_ExceptionMatches(PyExc_Exception) ? FOREIGN : FAILED;
    }
    Py_SETREF(*list, made);
    return PyList_CheckExact(made) ? WRITTEN : FOREIGN;
}

static int write_list(Writer *out, PyObject *list, int depth)
{
    if (!out->converts) {
        return write_items(out, PySequence_Fast_ITEMS(list), PyList_GET_SIZE(list), depth);
    }
    PyObject *copy = PyList_GetSlice(list, 0, PyList_GET_SIZE(list));
    if (copy == NULL) {
        return FAILED;
    }
    int result = convert_list(out, &copy);
    if (!result) {
        Py_SETREF(copy, PyList_AsTuple(copy)); /* what a plugin has made it may also keep, and change */
        result = copy == NULL ? FAILED
                              : write_items(out, PySequence_Fast_ITEMS(copy), PyTuple_GET_SIZE(copy), depth);
    }
    Py_XDECREF(copy);
    return result;
}

/* Write a key: text, or an integer if all keys are, for only then no two of them come out alike. */
static int write_key(Writer *out, PyObject *key, int is_first, int *are_numbers)
{
    if (PyUnicode_CheckExact(key) && !*are_numbers) {
        return write_string(out, key, 1);
    }
    if (!PyLong_CheckExact(key) || !(is_first || *are_numbers)) {
        return FOREIGN;
    }
    *are_numbers = 1;
    int result = write_byte(out, '"');
    result = result ? result : write_int(out, key);
    return result ? result : write_byte(out, '"');
}

static int write_entries(Writer *out, PyObject *dict, int depth)
{
    if (PyDict_GET_SIZE(dict) > out->most) {
        return OVERSIZE;
    }
    PyObject *key, *value;
    Py_ssize_t at = 0;
    int is_first = 1, are_numbers = 0;
    while (PyDict_Next(dict, &at, &key, &value)) {
        int result = write_byte(out, is_first ? '{' : ',');
        if (!result) {
            result = write_key(out, key, is_first, &are_numbers);
        }
        if (!result) {
            result = write_byte(out, ':');
        }
        if (!result) {
            result = write_value(out, value, depth);
        }
        if (result) {
            return result;
        }
        is_first = 0;
    }
    return is_first ? write_bytes(out, "{}", 2) : write_byte(out, '}');
}

static int write_dict(Writer *out, PyObject *dict, int depth)
{
    if (!out->converts) {
        return write_entries(out, dict, depth);
    }
    PyObject *copy = PyDict_Copy(dict);
    if (copy == NULL) {
        return FAILED;
    }
    int result = write_entries(out, copy, depth);
    Py_DECREF(copy);
    return result;
}

/* Write a value of any type, in which `depth` levels may be. */
int write_value(Writer *out, PyObject *value, int depth)
{
    PyTypeObject *type = Py_TYPE(value);
    if (type == &PyUnicode_Type) {
        return write_string(out, value, 0);
    }
    if (value == Py_None) {
        return write_bytes(out, "null", 4);
    }
    if (type == &PyLong_Type) {
        return write_int(out, value);
    }
    if (type == &PyBool_Type) {
        return value == Py_True ? write_bytes(out, "true", 4) : write_bytes(out, "false", 5);
    }
    if (type == &PyFloat_Type) {
        return write_float(out, PyFloat_AS_DOUBLE(value));
    }
    if (depth <= 0) {
        return FOREIGN;
    }
    if (out->length > out->most) {
        return OVERSIZE;
    }
    if (type == &PyDict_Type) {
        return write_dict(out, value, depth - 1);
    }
    if (type == &PyList_Type) {
        return write_list(out, value, depth - 1);
    }
    if (type == &PyTuple_Type) {
        return write_items(out, PySequence_Fast_ITEMS(value), PyTuple_GET_SIZE(value), depth - 1);
    }
    if (type == &Fragment_Type) {
        return write_fragment(out, value);
    }
    return write_foreign(out, value, depth - 1);
}

/* --- One document ------------------------------------------------------------------------------------------------ */

static void forget_types(Writer *out)
{
    Py_CLEAR(out->plans);
    Py_CLEAR(out->shapes);
    Py_CLEAR(out->lists);
}

static char *scratch;
static Py_ssize_t scratch_size;

/* The first pass, into a buffer that documents share: it cannot be interrupted by another one. */
static int write_plainly(Snapshot *self, PyObject *value, PyObject **document)
{
    Writer out = {.data = scratch, .capacity = scratch_size, .most = self->most, .projections = self->projections};
#if PY_VERSION_HEX < 0x030C0000
    int collects = PyGC_Disable(); /* up to 3.11 it may collect wherever a container is made */
#endif
    int result = write_value(&out, value, self->depth);
    forget_types(&out);
#if PY_VERSION_HEX < 0x030C0000
    if (collects) {
        PyGC_Enable();
    }
#endif
    if (!result && out.length > out.most) {
        result = OVERSIZE;
    }
    if (!result) {
        *document = PyBytes_FromStringAndSize(out.data, out.length);
        result = *document == NULL ? FAILED : WRITTEN;
    }
    if (out.capacity > KEPT_SCRATCH) {
        PyMem_RawFree(out.data);
        out.data = NULL;
        out.capacity = 0;
    }
    scratch = out.data;
    scratch_size = out.capacity;
    return result;
}

static int write_converting(Snapshot *self, PyObject *value, PyObject **document)
{
    Writer out = {.most = self->most, .projections = self->projections, .converts = 1};
    int result = write_value(&out, value, self->depth);
    forget_types(&out);
    if (!result && out.length > out.most) {
        result = OVERSIZE;
    }
    if (!result) {
        *document = PyBytes_FromStringAndSize(out.data, out.length);
        result = *document == NULL ? FAILED : WRITTEN;
    }
    PyMem_RawFree(out.data);
    return result;
}

/* Whether an error that is set is one that must not be swallowed: a KeyboardInterrupt out of a conversion. */
static int is_urgent(void)
{
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_Exception)) {
        return 1;
    }
    PyErr_Clear();
    return 0;
}

PyObject *snapshot_call(PyObject *snapshot, PyObject *value)
{
    Snapshot *self = (Snapshot *)snapshot;
    PyObject *document = NULL;
    int result = self->depth > 0 ? write_plainly(self, value, &document) : FOREIGN;
    if (result == FOREIGN && self->depth > 0 && !is_urgent()) {
        result = write_converting(self, value, &document);
    }
    if (document != NULL) {
        return document;
    }
    if (is_urgent()) {
        return NULL;
    }
    PyObject *args[] = {value, result == OVERSIZE ? Py_True : Py_False};
    return PyObject_Vectorcall(self->at_length, args, 2, NULL);
}

static PyObject *snapshot_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (PyVectorcall_NARGS(nargsf) != 1 || (kwnames != NULL && PyTuple_GET_SIZE(kwnames))) {
        PyErr_SetString(PyExc_TypeError, "encode takes one argument, the value, by position");
        return NULL;
    }
    return snapshot_call(self, args[0]);
}

/* --- The type ---------------------------------------------------------------------------------------------------- */

static int snapshot_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"projections", "at_length", NULL};
    Snapshot *snapshot = (Snapshot *)self;
    PyObject *projections, *at_length;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:Snapshot", names, &projections, &at_length)) {
        return -1;
    }
    Py_XSETREF(snapshot->projections, Py_NewRef(projections));
    Py_XSETREF(snapshot->at_length, Py_NewRef(at_length));
    snapshot->vectorcall = snapshot_vectorcall;
    return 0;
}

static PyObject *snapshot_limit(PyObject *self, PyObject *args)
{
    Py_ssize_t most;
    int depth;
    if (!PyArg_ParseTuple(args, "ni:limit", &most, &depth)) {
        return NULL;
    }
    ((Snapshot *)self)->most = most;
    ((Snapshot *)self)->depth = depth > MOST_DEPTH ? MOST_DEPTH : depth;
    Py_RETURN_NONE;
}

static int snapshot_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((Snapshot *)self)->projections);
    Py_VISIT(((Snapshot *)self)->at_length);
    return 0;
}

static int snapshot_clear(PyObject *self)
{
    Py_CLEAR(((Snapshot *)self)->projections);
    Py_CLEAR(((Snapshot *)self)->at_length);
    return 0;
}

static void snapshot_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    snapshot_clear(self);
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef snapshot_methods[] = {
    {"limit", snapshot_limit, METH_VARARGS, PyDoc_STR("limit(most, depth)\n--\n\nSet the limits; depth 0 for none.")},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef snapshot_members[] = {
    {"projections", T_OBJECT_EX, offsetof(Snapshot, projections), 0, PyDoc_STR("Has `plans` and `known`.")},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject Snapshot_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "relay_native.Snapshot",
    .tp_doc = PyDoc_STR("Encodes a value as JSON bytes, or has `at_length(value, oversize)` do it."),
    .tp_basicsize = sizeof(Snapshot),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Snapshot, vectorcall),
    .tp_call = PyVectorcall_Call,
    .tp_new = PyType_GenericNew,
    .tp_init = snapshot_init,
    .tp_traverse = snapshot_traverse,
    .tp_clear = snapshot_clear,
    .tp_dealloc = snapshot_dealloc,
    .tp_methods = snapshot_methods,
    .tp_members = snapshot_members,
};
