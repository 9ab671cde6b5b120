/* Functions of relay_core with a fast path in front: arguments are sorted, and what is unusual goes to the function. */

#include "bound.h"

#include <stddef.h>

#define MOST_ARGUMENTS 12

typedef struct {
    const char *names[MOST_ARGUMENTS]; /* `self` first */
    int positional;                    /* how many of them may be passed by position */
    int usual;                         /* how many of them the fast path knows; the others come last */
} Signature;

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *function;
    int which;
} Accelerated;

enum { PUSH, START, POP, END, CLOSE, EVENT, EMIT, FUNCTIONS };
static const char *const FUNCTION_NAMES[FUNCTIONS] = {"push", "start", "pop", "end", "close", "event", "emit"};

#define BIT(index) (1 << (index))

static const Signature SIGNATURES[FUNCTIONS] = {
    [PUSH] = {{"self", "name", "scope_type", "handle", "metadata", "input", "attributes", "data", "timestamp"}, 3, 6},
    [START] = {{"self", "name", "scope_type", "handle", "metadata", "input", "data_schema", "category_profile",
                "attributes", "data", "timestamp"}, 3, 8},
    [POP] = {{"self", "handle", "output", "metadata", "timestamp"}, 2, 4},
    [END] = {{"self", "handle", "output", "metadata", "data_schema", "category_profile", "outcome", "error",
              "timestamp"}, 2, 7},
    [CLOSE] = {{"self", "handle", "error", "timestamp"}, 4, 2},
    [EVENT] = {{"self", "name", "handle", "data", "metadata", "data_schema", "severity", "category",
                "category_profile", "timestamp"}, 2, 5},
    [EMIT] = {{"self", "item"}, 2, 2},
};
static PyObject *interned[FUNCTIONS][MOST_ARGUMENTS];

static int intern_names(int which)
{
    for (int place = 0; place < MOST_ARGUMENTS && SIGNATURES[which].names[place] != NULL; place++) {
        if (interned[which][place] == NULL) {
            interned[which][place] = PyUnicode_InternFromString(SIGNATURES[which].names[place]);
        }
        if (interned[which][place] == NULL) {
            return FAILED;
        }
    }
    return WRITTEN;
}

/* Sort the arguments of a call by the names of its signature; what is None or missing is NULL. Says whether all of them
   are such that the fast path knows them. */
static int sort_arguments(int which, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject **sorted)
{
    const Signature *signature = &SIGNATURES[which];
    if (nargs < 2 || nargs > signature->positional) {
        return 0;
    }
    memset(sorted, 0, sizeof(PyObject *) * MOST_ARGUMENTS);
    for (Py_ssize_t index = 0; index < nargs; index++) {
        sorted[index] = args[index] == Py_None ? NULL : args[index];
    }
    Py_ssize_t count = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, index), *value = args[nargs + index];
        int place = (int)nargs;
        while (place < MOST_ARGUMENTS && interned[which][place] != NULL && interned[which][place] != name) {
            place++;
        }
        if (place == MOST_ARGUMENTS || interned[which][place] == NULL) {
            return 0; /* a name that nobody knows, or that is no interned one */
        }
        if (value != Py_None) {
            if (place >= signature->usual) {
                return 0;
            }
            sorted[place] = value;
        }
    }
    for (int place = signature->usual; place < nargs; place++) {
        if (sorted[place] != NULL) {
            return 0;
        }
    }
    return sorted[0] != NULL;
}

static PyObject *accelerated_vectorcall(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Accelerated *self = (Accelerated *)callable;
    PyObject *arguments[MOST_ARGUMENTS], *result = NULL;
    int done = FOREIGN;
    if (sort_arguments(self->which, args, PyVectorcall_NARGS(nargsf), kwnames, arguments)) {
        switch (self->which) {
        case PUSH:
        case START:
            done = fast_begin(self->which == PUSH, arguments, &result);
            break;
        case POP:
            done = fast_end(arguments[0], arguments, 1);
            break;
        case END:
            if (arguments[6] == NULL || arguments[6] == bound.ok) {
                done = fast_end(arguments[0], arguments, 0);
                result = done == WRITTEN ? Py_NewRef(Py_True) : NULL;
            }
            break;
        case CLOSE:
            done = fast_end(arguments[0], arguments, 1);
            break;
        case EVENT:
            done = fast_event(arguments, &result);
            break;
        default:
            done = arguments[1] == NULL ? FOREIGN : enqueue(arguments[0], arguments[1]);
        }
    }
    if (done == WRITTEN && result == NULL) {
        Py_RETURN_NONE;
    }
    return done == FOREIGN ? PyObject_Vectorcall(self->function, args, nargsf, kwnames) : result;
}

int is_accelerated_emit(PyObject *function)
{
    return Py_TYPE(function) == &Accelerated_Type && ((Accelerated *)function)->which == EMIT;
}

/* --- The type ---------------------------------------------------------------------------------------------------- */

static PyObject *accelerated_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *function;
    if (!PyArg_ParseTuple(args, "O!:Accelerated", &PyFunction_Type, &function)) {
        return NULL;
    }
    PyObject *name = ((PyFunctionObject *)function)->func_name;
    int which = 0;
    while (which < FUNCTIONS && PyUnicode_CompareWithASCIIString(name, FUNCTION_NAMES[which]) != 0) {
        which++;
    }
    if (which == FUNCTIONS) {
        return PyErr_Format(PyExc_ValueError, "there is no fast path for %R", function);
    }
    Accelerated *self = intern_names(which) ? NULL : (Accelerated *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->vectorcall = accelerated_vectorcall;
        self->function = Py_NewRef(function);
        self->which = which;
    }
    return (PyObject *)self;
}

static PyObject *accelerated_get(PyObject *self, PyObject *instance, PyObject *owner)
{
    return instance == NULL || instance == Py_None ? Py_NewRef(self) : PyMethod_New(self, instance);
}

/* Whatever else is asked about it, the Python function answers: its name, its documentation, its annotations. */
static PyObject *accelerated_getattro(PyObject *self, PyObject *name)
{
    PyObject *function = ((Accelerated *)self)->function;
    if (PyUnicode_CompareWithASCIIString(name, "__wrapped__") == 0) {
        return Py_NewRef(function);
    }
    if (PyUnicode_CompareWithASCIIString(name, "__class__") == 0) {
        return PyObject_GenericGetAttr(self, name);
    }
    PyObject *found = PyObject_GetAttr(function, name);
    if (found == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        found = PyObject_GenericGetAttr(self, name);
    }
    return found;
}

static int accelerated_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((Accelerated *)self)->function);
    return 0;
}

static int accelerated_clear(PyObject *self)
{
    Py_CLEAR(((Accelerated *)self)->function);
    return 0;
}

static void accelerated_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    accelerated_clear(self);
    Py_TYPE(self)->tp_free(self);
}

PyTypeObject Accelerated_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "relay_native.Accelerated",
    .tp_doc = PyDoc_STR("A function of relay_core with a fast path in front of it."),
    .tp_basicsize = sizeof(Accelerated),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_vectorcall_offset = offsetof(Accelerated, vectorcall),
    .tp_call = PyVectorcall_Call,
    .tp_new = accelerated_new,
    .tp_descr_get = accelerated_get,
    .tp_getattro = accelerated_getattro,
    .tp_traverse = accelerated_traverse,
    .tp_clear = accelerated_clear,
    .tp_dealloc = accelerated_dealloc,
};

