/* The module: what relay_core finds in it. */

#include "native.h"

static PyMethodDef methods[] = {
    {"bind", (PyCFunction)(void (*)(void))scopes_bind, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("Learn the classes and the values that the fast path works on; before anything is accelerated.")},
    {"lines", wire_lines, METH_O, PyDoc_STR("Return a list of records as lines of JSON; see `relay_core.wire.lines`.")},
    {"set_entry", set_entry, METH_O, PyDoc_STR("Make an entry current; see `relay_core.current`.")},
    {"note_collection", (PyCFunction)(void (*)(void))note_collection, METH_FASTCALL,
     PyDoc_STR("For `gc.callbacks`, up to Python 3.11: note whether the collector is at work.")},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "relay_native._native",
    .m_doc = PyDoc_STR("The fast path of relay_core."),
    .m_size = -1, /* one per process: sub-interpreters with a GIL of their own do without it */
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__native(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL || PyModule_AddType(module, &Plan_Type) || PyModule_AddType(module, &Snapshot_Type) ||
        PyModule_AddType(module, &Accelerated_Type) || PyModule_AddType(module, &Scanner_Type) ||
        PyModule_AddType(module, &Fragment_Type) || standard_bind(module)) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
