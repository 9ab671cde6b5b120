/* Types of the standard library that are written without a call into Python: times, UUIDs, tuples and sets of any name.
   What is unusual about a value is left to relay_core.payload, which says how each is recorded. */

#include "native.h"

#include <datetime.h>
#include <structmember.h>

enum { DATETIME = 1, DATE, UUID, TUPLE, SET };

static Py_ssize_t uuid_int; /* where a uuid.UUID keeps its number */

static char *put_digits(char *to, int number, int digits)
{
    for (int place = digits; place-- > 0; number /= 10) {
        to[place] = (char)('0' + number % 10);
    }
    return to + digits;
}

static char *put_date(char *to, PyObject *date)
{
    to = put_digits(to, PyDateTime_GET_YEAR(date), 4);
    *to++ = '-';
    to = put_digits(to, PyDateTime_GET_MONTH(date), 2);
    *to++ = '-';
    return put_digits(to, PyDateTime_GET_DAY(date), 2);
}

static char *put_time(char *to, PyObject *moment)
{
    *to++ = 'T';
    to = put_digits(to, PyDateTime_DATE_GET_HOUR(moment), 2);
    *to++ = ':';
    to = put_digits(to, PyDateTime_DATE_GET_MINUTE(moment), 2);
    *to++ = ':';
    to = put_digits(to, PyDateTime_DATE_GET_SECOND(moment), 2);
    int micros = PyDateTime_DATE_GET_MICROSECOND(moment);
    if (micros) {
        *to++ = '.';
        to = put_digits(to, micros, 6);
    }
    return to;
}

/* Write a date, or a moment that is naive or in UTC: other zones may be written in Python. */
static int write_moment(Writer *out, PyObject *value, int has_time)
{
    PyObject *zone = has_time ? PyDateTime_DATE_GET_TZINFO(value) : Py_None;
    if (zone != Py_None && zone != PyDateTime_TimeZone_UTC) {
        return FOREIGN;
    }
    if (writer_reserve(out, 40)) {
        return FAILED;
    }
    char *to = out->data + out->length;
    *to++ = '"';
    to = put_date(to, value);
    if (has_time) {
        to = put_time(to, value);
    }
    if (zone != Py_None) {
        memcpy(to, "+00:00", 6);
        to += 6;
    }
    *to++ = '"';
    out->length = to - out->data;
    return WRITTEN;
}

static char *put_hex(char *to, unsigned long long number, int digits)
{
    for (int place = digits; place-- > 0; number >>= 4) {
        to[place] = "0123456789abcdef"[number & 15];
    }
    return to + digits;
}

static int write_uuid(Writer *out, PyObject *value)
{
    PyObject *number = *(PyObject **)((char *)value + uuid_int), *by = PyLong_FromLong(64), *above = NULL;
    if (number == NULL || !PyLong_CheckExact(number) || by == NULL || (above = PyNumber_Rshift(number, by)) == NULL) {
        Py_XDECREF(by);
        return FOREIGN;
    }
    Py_DECREF(by);
    unsigned long long high = PyLong_AsUnsignedLongLong(above), low = PyLong_AsUnsignedLongLongMask(number);
    Py_DECREF(above);
    if (PyErr_Occurred()) { /* negative, or of more than 128 bits */
        return FOREIGN;
    }
    if (writer_reserve(out, 40)) {
        return FAILED;
    }
    char *to = out->data + out->length;
    *to++ = '"';
    to = put_hex(to, high >> 32, 8);
    *to++ = '-';
    to = put_hex(to, high >> 16 & 0xFFFF, 4);
    *to++ = '-';
    to = put_hex(to, high & 0xFFFF, 4);
    *to++ = '-';
    to = put_hex(to, low >> 48, 4);
    *to++ = '-';
    to = put_hex(to, low & 0xFFFFFFFFFFFFULL, 12);
    *to++ = '"';
    out->length = to - out->data;
    return WRITTEN;
}

/* Write a set in order, if its items are all strings or all integers. */
static int write_set(Writer *out, PyObject *value, int depth)
{
    PyObject *items = PySequence_List(value);
    if (items == NULL) {
        return FAILED;
    }
    PyTypeObject *type = PyList_GET_SIZE(items) ? Py_TYPE(PyList_GET_ITEM(items, 0)) : &PyLong_Type;
    int result = type == &PyUnicode_Type || type == &PyLong_Type ? WRITTEN : FOREIGN;
    for (Py_ssize_t index = 1; !result && index < PyList_GET_SIZE(items); index++) {
        result = Py_TYPE(PyList_GET_ITEM(items, index)) == type ? WRITTEN : FOREIGN;
    }
    if (!result) {
        result = PyList_Sort(items) ? FAILED
                                    : write_items(out, PySequence_Fast_ITEMS(items), PyList_GET_SIZE(items), depth);
    }
    Py_DECREF(items);
    return result;
}

int write_standard(Writer *out, PyObject *value, long kind, int depth)
{
    switch (kind) {
    case DATETIME:
        return write_moment(out, value, 1);
    case DATE:
        return write_moment(out, value, 0);
    case UUID:
        return write_uuid(out, value);
    case TUPLE:
        return write_items(out, PySequence_Fast_ITEMS(value), PyTuple_GET_SIZE(value), depth);
    case SET:
        return write_set(out, value, depth);
    default:
        return FOREIGN;
    }
}

/* Find what is needed, and tell the kinds: a dict by type for those that stand for themselves alone. */
int standard_bind(PyObject *module)
{
    PyDateTime_IMPORT;
    if (PyDateTimeAPI == NULL) {
        return FAILED;
    }
    PyObject *uuid = PyImport_ImportModule("uuid");
    PyObject *type = uuid == NULL ? NULL : PyObject_GetAttrString(uuid, "UUID");
    PyObject *slot = type == NULL ? NULL : PyObject_GetAttrString(type, "int");
    PyObject *kinds = PyDict_New();
    int result = slot != NULL && kinds != NULL && Py_TYPE(slot) == &PyMemberDescr_Type ? WRITTEN : FAILED;
    if (!result) {
        uuid_int = ((PyMemberDescrObject *)slot)->d_member->offset;
        const struct {
            PyObject *type;
            int kind;
        } known[] = {{(PyObject *)PyDateTimeAPI->DateTimeType, DATETIME}, {(PyObject *)PyDateTimeAPI->DateType, DATE},
                     {type, UUID}, {(PyObject *)&PySet_Type, SET}, {(PyObject *)&PyFrozenSet_Type, SET}};
        for (size_t index = 0; !result && index < sizeof known / sizeof *known; index++) {
            PyObject *kind = PyLong_FromLong(known[index].kind);
            result = kind == NULL || PyDict_SetItem(kinds, known[index].type, kind) ? FAILED : WRITTEN;
            Py_XDECREF(kind);
        }
        result = result || PyModule_AddObjectRef(module, "KINDS", kinds) || PyModule_AddIntConstant(module, "TUPLE", TUPLE);
    }
    else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_ImportError, "relay_native does not know this version's uuid.UUID");
    }
    Py_XDECREF(uuid);
    Py_XDECREF(type);
    Py_XDECREF(slot);
    Py_XDECREF(kinds);
    return result ? FAILED : WRITTEN;
}
