/* What is current: the one ContextVar of relay_core.current, and the entries in it. */

#include "bound.h"

#if PY_VERSION_HEX < 0x030C0000
/* Up to 3.11 the collector may run inside of a ContextVar.set; see relay_core.current. */
static unsigned long collecting_in;
#endif

int make_current(PyObject *entry)
{
#if PY_VERSION_HEX < 0x030C0000
    if (collecting_in && collecting_in == PyThread_get_thread_ident()) {
        return WRITTEN;
    }
    int collects = PyGC_Disable();
#endif
    PyObject *token = PyContextVar_Set(bound.current, entry);
#if PY_VERSION_HEX < 0x030C0000
    if (collects) {
        PyGC_Enable();
    }
#endif
    Py_XDECREF(token);
    return token == NULL ? FAILED : WRITTEN;
}

PyObject *set_entry(PyObject *module, PyObject *entry)
{
    if (make_current(entry)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *note_collection(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
#if PY_VERSION_HEX < 0x030C0000
    int starts = nargs > 0 && PyUnicode_Check(args[0]) && PyUnicode_CompareWithASCIIString(args[0], "start") == 0;
    collecting_in = starts ? PyThread_get_thread_ident() : 0;
#endif
    Py_RETURN_NONE;
}

/* Go outward from an entry to the first scope that is open: borrowed, or NULL. Declines what is no scope. */
int first_open(PyObject *entry, PyObject **found)
{
    while (entry != NULL && entry != Py_None) {
        if (Py_TYPE(entry) != bound.handle) {
            return FOREIGN;
        }
        if (get(entry, of_handle, CLOSED) == Py_False) {
            *found = entry;
            return WRITTEN;
        }
        entry = get(entry, of_handle, OUTER);
    }
    *found = NULL;
    return WRITTEN;
}

/* Ask the integrations for the run that the calling code is in; declines if there is one. */
static int asks_in_vain(PyObject *scopes)
{
    PyObject *runs = get(scopes, of_scopes, S_RUNS);
    if (runs == NULL || !PyTuple_CheckExact(runs)) {
        return FOREIGN;
    }
    int result = WRITTEN;
    Py_INCREF(runs);
    for (Py_ssize_t index = 0; !result && index < PyTuple_GET_SIZE(runs); index++) {
        PyObject *who = PyTuple_GET_ITEM(runs, index), *running = PyTuple_GET_ITEM(who, 2);
        if (PyDict_CheckExact(running) && PyDict_GET_SIZE(running) == 0) {
            continue;
        }
        PyObject *run = PyObject_CallNoArgs(PyTuple_GET_ITEM(who, 1));
        if (run == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_Exception)) {
                result = FAILED;
                break;
            }
            PyErr_Clear(); /* the Python function asks again, and records it */
            result = FOREIGN;
        }
        else if (run != Py_None) {
            result = FOREIGN;
        }
        Py_XDECREF(run);
    }
    Py_DECREF(runs);
    return result;
}

/* Find what a scope or mark begins in: `outer` is the current entry, a new reference or NULL, where it is asked for;
   `parent` is borrowed. */
int surroundings(PyObject *scopes, PyObject *handle, int wants_outer, PyObject **outer, PyObject **parent)
{
    PyObject *entry, *open = NULL;
    int result = WRITTEN;
    *outer = *parent = NULL;
    if (wants_outer || handle == NULL) {
        if (PyContextVar_Get(bound.current, NULL, &entry)) {
            return FAILED;
        }
        result = first_open(entry, &open);
        if (!result) {
            *outer = Py_XNewRef(open);
            result = asks_in_vain(scopes);
        }
        Py_XDECREF(entry);
    }
    if (handle != NULL) {
        open = handle == get(scopes, of_scopes, S_IMPLICIT) ? NULL : handle; /* the implicit root means top level */
    }
    if (!result && open != NULL && (Py_TYPE(open) != bound.handle ||
                                    get(open, of_handle, OWNER) != get(scopes, of_scopes, S_OWNER))) {
        result = FOREIGN;
    }
    *parent = open;
    if (result) {
        Py_CLEAR(*outer);
    }
    return result;
}

/* Give the context what was current outside of a scope, if the scope is current in it. */
int leave(PyObject *handle)
{
    PyObject *entry;
    if (PyContextVar_Get(bound.current, NULL, &entry)) {
        return FAILED;
    }
    int result = entry == handle ? make_current(get(handle, of_handle, OUTER)) : WRITTEN;
    Py_XDECREF(entry);
    return result;
}
