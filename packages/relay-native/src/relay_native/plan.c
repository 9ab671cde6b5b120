/* Plans: how instances of a class become JSON objects, as data. What a plan says is read from an instance's own dict,
   so no attribute look-up, and no Python code at all, comes between the object and its text. */

#include "native.h"

#include <stddef.h>
#include <structmember.h>

#define MOST_FIELDS 64
#define MOST_HINDRANCES 2

enum { CONST, FIELD, MUST, SOME, EQUAL, TEXT, EACH, SAME, MERGE, EMPTY, ONLY };

static const char *const OPERATIONS[] = {"const", "field", "must", "some",  "equal", "text",
                                         "each",  "same",  "merge", "empty", "only"};

typedef struct {
    int operation;
    int field;       /* index into `fields`, or -1 */
    PyObject *label; /* bytes: the key with its quotes and colon; for CONST the value, too */
    PyObject *other; /* EQUAL: the str; EACH, SAME and MERGE: the plan */
} Step;

typedef struct {
    PyObject_VAR_HEAD
    int fields;
    PyObject *names[MOST_FIELDS]; /* interned */
    int hindrances;
    Py_ssize_t hindering[MOST_HINDRANCES]; /* where instances have slots that must be empty for the plan to fit */
    Step steps[];
} Plan;

/* --- Writing ----------------------------------------------------------------------------------------------------- */

static inline int is_name(PyObject *key, PyObject *name)
{
    return key == name || (PyUnicode_CheckExact(key) && !PyUnicode_CHECK_INTERNED(key) &&
                           PyUnicode_GET_LENGTH(key) == PyUnicode_GET_LENGTH(name) &&
                           PyUnicode_Compare(key, name) == 0);
}

/* Find the plan's fields in a dict; what it lacks is NULL. By iteration: a look-up may call the `__eq__` of a key. */
static void gather(const Plan *plan, PyObject *dict, PyObject **found)
{
    memset(found, 0, sizeof(PyObject *) * (size_t)plan->fields);
    PyObject *key, *value;
    Py_ssize_t at = 0;
    int expected = 0; /* fields mostly come in their order */
    while (PyDict_Next(dict, &at, &key, &value)) {
        for (int tries = 0; tries < plan->fields; tries++) {
            int index = expected + tries < plan->fields ? expected + tries : expected + tries - plan->fields;
            if (is_name(key, plan->names[index])) {
                found[index] = value;
                expected = index + 1 < plan->fields ? index + 1 : 0;
                break;
            }
        }
    }
}

static int is_empty(PyObject *value)
{
    return value == NULL || value == Py_None || (PyList_CheckExact(value) && PyList_GET_SIZE(value) == 0) ||
           (PyDict_CheckExact(value) && PyDict_GET_SIZE(value) == 0) ||
           (PyUnicode_CheckExact(value) && PyUnicode_GET_LENGTH(value) == 0);
}

/* Write a value as a string that holds its JSON text. */
static int write_as_text(Writer *out, PyObject *value, int depth)
{
    Py_ssize_t start = out->length;
    int result = write_value(out, value, depth);
    if (result) {
        return result;
    }
    Py_ssize_t length = out->length - start;
    char *text = PyMem_RawMalloc((size_t)length);
    if (text == NULL) {
        PyErr_NoMemory();
        return FAILED;
    }
    memcpy(text, out->data + start, (size_t)length);
    out->length = start;
    result = write_byte(out, '"') || write_escaped(out, text, length) || write_byte(out, '"');
    PyMem_RawFree(text);
    return result ? FAILED : WRITTEN;
}

static int write_each(Writer *out, PyObject *list, PyObject *plan, int depth)
{
    PyObject *items = out->converts ? PyList_AsTuple(list) : Py_NewRef(list);
    int result = items == NULL ? FAILED : WRITTEN;
    for (Py_ssize_t index = 0; !result && index < PySequence_Fast_GET_SIZE(items); index++) {
        PyObject *item = PySequence_Fast_GET_ITEM(items, index);
        result = PyDict_CheckExact(item) ? write_byte(out, index ? ',' : '[') : FOREIGN;
        if (!result) {
            result = write_planned(out, plan, item, depth - 1);
        }
    }
    Py_XDECREF(items);
    return result ? result : write_byte(out, ']');
}

/* Say whether a step writes nothing for this value; FOREIGN where the plan does not fit the instance. */
static int is_left_out(const Step *step, PyObject *value, int *left_out)
{
    *left_out = 0;
    switch (step->operation) {
    case EMPTY:
        *left_out = 1;
        return is_empty(value) ? WRITTEN : FOREIGN;
    case MUST:
        return value == NULL ? FOREIGN : WRITTEN;
    case SOME:
        *left_out = value == NULL || value == Py_None;
        return WRITTEN;
    case EQUAL:
        *left_out = value == NULL || !PyUnicode_CheckExact(value) || PyUnicode_Compare(value, step->other) != 0;
        return WRITTEN;
    case EACH:
        *left_out = is_empty(value);
        return *left_out || PyList_CheckExact(value) ? WRITTEN : FOREIGN;
    case MERGE:
        *left_out = is_empty(value);
        return *left_out || PyDict_CheckExact(value) ? WRITTEN : FOREIGN;
    default:
        return WRITTEN;
    }
}

static int write_members(Writer *out, const Plan *plan, PyObject *dict, int depth, int *is_first);

static int write_step(Writer *out, const Step *step, PyObject *value, PyObject *dict, int depth, int *is_first)
{
    int left_out, result = is_left_out(step, value, &left_out);
    if (result || left_out) {
        return result;
    }
    if (step->operation == MERGE) {
        return write_members(out, (const Plan *)step->other, value, depth - 1, is_first);
    }
    if (write_byte(out, *is_first ? '{' : ',') ||
        write_bytes(out, PyBytes_AS_STRING(step->label), PyBytes_GET_SIZE(step->label))) {
        return FAILED;
    }
    *is_first = 0;
    value = value == NULL ? Py_None : value;
    switch (step->operation) {
    case CONST:
        return WRITTEN; /* the label holds it */
    case TEXT:
        return write_as_text(out, value, depth);
    case EACH:
        return write_each(out, value, step->other, depth - 1);
    case SAME:
        return write_planned(out, step->other, dict, depth - 1);
    default:
        return write_value(out, value, depth);
    }
}

/* Write what a plan makes of a dict, as members of an object that the caller closes. */
static int write_members(Writer *out, const Plan *plan, PyObject *dict, int depth, int *is_first)
{
    if (depth < 0) {
        return FOREIGN;
    }
    PyObject *found[MOST_FIELDS], *fields = out->converts ? PyDict_Copy(dict) : Py_NewRef(dict);
    int result = fields == NULL ? FAILED : WRITTEN;
    if (!result) {
        gather(plan, fields, found);
    }
    for (Py_ssize_t index = 0; !result && index < Py_SIZE(plan); index++) {
        const Step *step = &plan->steps[index];
        result = write_step(out, step, step->field < 0 ? NULL : found[step->field], fields, depth, is_first);
    }
    Py_XDECREF(fields);
    return result;
}

/* Write the one field that stands for an instance. */
static int write_only(Writer *out, const Plan *plan, PyObject *dict, int depth)
{
    PyObject *found[MOST_FIELDS];
    gather(plan, dict, found);
    PyObject *value = found[plan->steps[0].field];
    if (value == NULL || depth < 0) {
        return FOREIGN;
    }
    Py_INCREF(value);
    int result = write_value(out, value, depth);
    Py_DECREF(value);
    return result;
}

int plan_fits(PyObject *self, PyObject *instance)
{
    const Plan *plan = (const Plan *)self;
    for (int index = 0; index < plan->hindrances; index++) {
        PyObject *value = *(PyObject **)((char *)instance + plan->hindering[index]);
        if (value != NULL && value != Py_None) {
            return 0;
        }
    }
    return 1;
}

/* Write an instance's fields as one object; `depth` levels may be inside of it. */
int write_planned(Writer *out, PyObject *self, PyObject *dict, int depth)
{
    const Plan *plan = (const Plan *)self;
    if (Py_SIZE(plan) && plan->steps[0].operation == ONLY) {
        return write_only(out, plan, dict, depth);
    }
    int is_first = 1, result = write_members(out, plan, dict, depth, &is_first);
    if (result) {
        return result;
    }
    return is_first ? write_bytes(out, "{}", 2) : write_byte(out, '}');
}

/* --- Making one -------------------------------------------------------------------------------------------------- */

static PyObject *label_of(PyObject *key, PyObject *value)
{
    Writer out = {.most = PY_SSIZE_T_MAX};
    int result = write_string(&out, key, 1);
    if (!result) {
        result = write_byte(&out, ':');
    }
    if (!result && value != NULL) {
        result = write_value(&out, value, 8);
    }
    PyObject *label = result ? NULL : PyBytes_FromStringAndSize(out.data, out.length);
    PyMem_RawFree(out.data);
    if (label == NULL && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "a key or a constant of a plan is no plain JSON");
    }
    return label;
}

static int field_of(Plan *plan, PyObject *name)
{
    for (int index = 0; index < plan->fields; index++) {
        if (PyUnicode_Compare(plan->names[index], name) == 0) {
            return index;
        }
    }
    if (plan->fields == MOST_FIELDS) {
        PyErr_Format(PyExc_ValueError, "a plan reads at most %d fields", MOST_FIELDS);
        return -1;
    }
    Py_INCREF(name);
    PyUnicode_InternInPlace(&name);
    plan->names[plan->fields] = name;
    return plan->fields++;
}

/* Take over one step: (operation, key, ...), ("merge", field, plan) or ("empty", field). */
static int take_step(Plan *plan, Step *step, PyObject *source)
{
    const char *operation = NULL;
    PyObject *key = NULL, *first = NULL, *second = NULL;
    if (!PyTuple_Check(source) || !PyArg_ParseTuple(source, "sU|OO", &operation, &key, &first, &second)) {
        PyErr_SetString(PyExc_TypeError, "a step of a plan is a tuple of an operation, a key and what it takes");
        return FAILED;
    }
    int count = (int)(sizeof OPERATIONS / sizeof *OPERATIONS);
    for (step->operation = 0; step->operation < count; step->operation++) {
        if (strcmp(OPERATIONS[step->operation], operation) == 0) {
            break;
        }
    }
    PyObject *field = NULL, *constant = NULL, *other = NULL;
    int is_right;
    switch (step->operation) {
    case CONST:
        constant = first;
        is_right = first != NULL;
        break;
    case EMPTY:
    case ONLY:
        field = key;
        is_right = first == NULL;
        break;
    case SAME:
        other = first;
        is_right = first != NULL && Py_TYPE(first) == &Plan_Type;
        break;
    case MERGE:
        field = key;
        other = first;
        is_right = first != NULL && Py_TYPE(first) == &Plan_Type;
        break;
    case EACH:
    case EQUAL:
        field = first;
        other = second;
        is_right = first != NULL && second != NULL &&
                   (step->operation == EQUAL ? PyUnicode_CheckExact(second) : Py_TYPE(second) == &Plan_Type);
        break;
    default:
        field = first;
        is_right = first != NULL && step->operation < count;
    }
    if (!is_right || (field != NULL && !PyUnicode_CheckExact(field))) {
        PyErr_Format(PyExc_ValueError, "the plan's step '%s' is unknown, or takes something else", operation);
        return FAILED;
    }
    step->label = label_of(key, constant);
    step->other = Py_XNewRef(other);
    step->field = field == NULL ? -1 : field_of(plan, field);
    return step->label == NULL || (field != NULL && step->field < 0) ? FAILED : WRITTEN;
}

static int take_hindrance(Plan *plan, PyObject *slot)
{
    if (plan->hindrances == MOST_HINDRANCES || Py_TYPE(slot) != &PyMemberDescr_Type ||
        ((PyMemberDescrObject *)slot)->d_member->type != T_OBJECT_EX) {
        PyErr_Format(PyExc_ValueError, "%R is no slot, or there are more than %d", slot, MOST_HINDRANCES);
        return FAILED;
    }
    plan->hindering[plan->hindrances++] = ((PyMemberDescrObject *)slot)->d_member->offset;
    return WRITTEN;
}

static PyObject *plan_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"steps", "unless", NULL};
    PyObject *steps, *unless = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!|O!:Plan", names, &PyTuple_Type, &steps, &PyTuple_Type, &unless)) {
        return NULL;
    }
    Plan *plan = (Plan *)type->tp_alloc(type, PyTuple_GET_SIZE(steps)); /* zeroed */
    if (plan == NULL) {
        return NULL;
    }
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(steps); index++) {
        if (take_step(plan, &plan->steps[index], PyTuple_GET_ITEM(steps, index))) {
            Py_DECREF(plan);
            return NULL;
        }
    }
    for (Py_ssize_t index = 0; unless != NULL && index < PyTuple_GET_SIZE(unless); index++) {
        if (take_hindrance(plan, PyTuple_GET_ITEM(unless, index))) {
            Py_DECREF(plan);
            return NULL;
        }
    }
    return (PyObject *)plan;
}

static void plan_dealloc(PyObject *self)
{
    Plan *plan = (Plan *)self;
    for (Py_ssize_t index = 0; index < Py_SIZE(plan); index++) {
        Py_XDECREF(plan->steps[index].label);
        Py_XDECREF(plan->steps[index].other);
    }
    for (int index = 0; index < plan->fields; index++) {
        Py_DECREF(plan->names[index]);
    }
    Py_TYPE(self)->tp_free(self);
}

PyTypeObject Plan_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "relay_native.Plan",
    .tp_doc = PyDoc_STR("How instances of a class become a JSON object, read from their own dict. Immutable."),
    .tp_basicsize = offsetof(Plan, steps),
    .tp_itemsize = sizeof(Step),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = plan_new,
    .tp_dealloc = plan_dealloc,
};
