/* Finished JSON as a part of a payload: what two payloads have in common is encoded once. */

#include "native.h"

#include <stddef.h>
#include <structmember.h>

typedef struct {
    PyObject_HEAD
    PyObject *document;
} Fragment;

int write_fragment(Writer *out, PyObject *fragment)
{
    PyObject *document = ((Fragment *)fragment)->document;
    return write_bytes(out, PyBytes_AS_STRING(document), PyBytes_GET_SIZE(document));
}

static PyObject *fragment_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *document;
    if ((kwargs != NULL && PyDict_GET_SIZE(kwargs)) || !PyArg_ParseTuple(args, "S:Fragment", &document)) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "Fragment takes no keyword arguments");
        }
        return NULL;
    }
    Fragment *self = (Fragment *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->document = Py_NewRef(document);
    }
    return (PyObject *)self;
}

static void fragment_dealloc(PyObject *self)
{
    Py_XDECREF(((Fragment *)self)->document);
    Py_TYPE(self)->tp_free(self);
}

static PyMemberDef fragment_members[] = {
    {"document", T_OBJECT_EX, offsetof(Fragment, document), READONLY, PyDoc_STR("Valid JSON, as UTF-8.")},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject Fragment_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "relay_native.Fragment",
    .tp_doc = PyDoc_STR("Fragment(document): finished JSON, to be a part of a payload. Immutable."),
    .tp_basicsize = sizeof(Fragment),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = fragment_new,
    .tp_dealloc = fragment_dealloc,
    .tp_members = fragment_members,
};
