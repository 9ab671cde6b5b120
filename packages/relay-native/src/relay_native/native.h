/* What the files of relay_native share. Everything here runs under the GIL and expects it to be there. */

#ifndef RELAY_NATIVE_H
#define RELAY_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#ifdef Py_GIL_DISABLED
#error "relay_native relies on the GIL: on a free-threaded build relay-core does without it"
#endif

/* Why a value was not written. Only FAILED sets an exception. */
enum { WRITTEN = 0, FOREIGN = 1, OVERSIZE = 2, FAILED = -1 };

/* --- text.c: JSON text ------------------------------------------------------------------------------------------- */

#define KNOWN_TYPES 8

typedef struct {
    char *data;
    Py_ssize_t length;
    Py_ssize_t capacity;
    Py_ssize_t most; /* bytes; a longer document is refused */
    int slow_floats; /* how many floats took the slow way */

    /* What snapshot.c knows of foreign types while it writes one document. */
    PyObject *projections; /* borrowed; NULL where there are none */
    PyObject *plans;       /* dicts by the id of a type, read from `projections` when they are first asked for */
    PyObject *shapes;
    PyObject *lists;
    int converts;          /* whether Python code may run, and so whether containers are copied first */
    PyTypeObject *known[KNOWN_TYPES];
    PyObject *known_plans[KNOWN_TYPES];
} Writer;

#define SLACK 64 /* bytes that are always free behind what was reserved: for small tokens */

int writer_grow(Writer *out, Py_ssize_t more);

/* Have room for so many bytes more, and the slack. */
static inline int writer_reserve(Writer *out, Py_ssize_t more)
{
    return more > out->capacity - out->length - SLACK ? writer_grow(out, more) : WRITTEN;
}

static inline int write_bytes(Writer *out, const char *text, Py_ssize_t length)
{
    if (writer_reserve(out, length)) {
        return FAILED;
    }
    memcpy(out->data + out->length, text, (size_t)length);
    out->length += length;
    return WRITTEN;
}

static inline int write_byte(Writer *out, char byte)
{
    if (writer_reserve(out, 1)) {
        return FAILED;
    }
    out->data[out->length++] = byte;
    return WRITTEN;
}

int write_string(Writer *out, PyObject *text, int is_key);
int write_escaped(Writer *out, const char *utf8, Py_ssize_t length);
int write_int(Writer *out, PyObject *number);
int write_float(Writer *out, double number);

/* --- plan.c: how instances of a class are written ---------------------------------------------------------------- */

extern PyTypeObject Plan_Type;

int plan_fits(PyObject *plan, PyObject *instance);
int write_planned(Writer *out, PyObject *plan, PyObject *fields, int depth);

/* --- fragment.c: finished JSON ----------------------------------------------------------------------------------- */

extern PyTypeObject Fragment_Type;

int write_fragment(Writer *out, PyObject *fragment);

/* --- standard.c: types of the standard library ------------------------------------------------------------------- */

int standard_bind(PyObject *module);
int write_standard(Writer *out, PyObject *value, long kind, int depth);

/* --- snapshot.c: any plain value --------------------------------------------------------------------------------- */

extern PyTypeObject Snapshot_Type;

int write_value(Writer *out, PyObject *value, int depth);
int write_items(Writer *out, PyObject **items, Py_ssize_t count, int depth);
PyObject *snapshot_call(PyObject *snapshot, PyObject *value);

/* --- accelerated.c, bound.c, context.c: in front of relay_core's functions ---------------------------------------- */

extern PyTypeObject Accelerated_Type;

PyObject *scopes_bind(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *set_entry(PyObject *module, PyObject *entry);
PyObject *note_collection(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

/* --- scan.c, wire.c: delivery ------------------------------------------------------------------------------------ */

extern PyTypeObject Scanner_Type;

PyObject *wire_lines(PyObject *module, PyObject *records);

#endif
