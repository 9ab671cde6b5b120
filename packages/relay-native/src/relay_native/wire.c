/* The text of events: lines of JSON out of records, as relay_core.wire makes them. Payloads are spliced in. */

#include "bound.h"

#define MICROSECONDS_A_DAY 86400000000LL

static const char ENDS_OF_IDS[] = "\",\"propagation_root_uuid\":\"";

static int write_text(Writer *out, const char *text)
{
    return write_bytes(out, text, (Py_ssize_t)strlen(text));
}

static int write_document(Writer *out, PyObject *document)
{
    if (document == Py_None) {
        return write_text(out, "null");
    }
    if (!PyBytes_CheckExact(document)) {
        return FOREIGN;
    }
    return write_bytes(out, PyBytes_AS_STRING(document), PyBytes_GET_SIZE(document));
}

/* Write an id between quotes that the caller writes, and keep its text: an id is written more than once. */
static int write_uuid(Writer *out, PyObject *owner, const Slot *slots, int which)
{
    PyObject *uuid = get(owner, slots, which);
    if (uuid == NULL || !PyUnicode_CheckExact(uuid)) {
        /* Nobody has needed it so far, or only as an object: its property knows what to do. */
        uuid = PyObject_GetAttrString(owner, "uuid");
        if (uuid == NULL) {
            return FAILED;
        }
        if (!PyUnicode_CheckExact(uuid)) {
            Py_DECREF(uuid);
            return FOREIGN;
        }
        Py_XSETREF(SLOT(owner, slots[which].offset), Py_NewRef(uuid));
        Py_DECREF(uuid); /* the slot holds it */
    }
    if (!PyUnicode_IS_COMPACT_ASCII(uuid)) {
        return FOREIGN;
    }
    return write_bytes(out, (const char *)PyUnicode_DATA(uuid), PyUnicode_GET_LENGTH(uuid));
}

/* Write the ids of what is above: `scope` is the containing scope, `root` the topmost one where it is known. */
static int write_above(Writer *out, PyObject *scope, PyObject *root)
{
    int result = write_text(out, "\",\"parent_uuid\":\"");
    result = result ? result : write_uuid(out, scope, of_handle, UUID);
    result = result ? result : write_text(out, ENDS_OF_IDS);
    return result ? result : write_uuid(out, root, of_handle, UUID);
}

static int is_handle(PyObject *object)
{
    return Py_TYPE(object) == bound.handle;
}

static int write_scope_ids(Writer *out, PyObject *handle)
{
    PyObject *parent = get(handle, of_handle, PARENT), *root = get(handle, of_handle, ROOT);
    int result = write_uuid(out, handle, of_handle, UUID);
    if (result) {
        return result;
    }
    if (parent == Py_None) {
        result = write_text(out, "\",\"parent_uuid\":null,\"propagation_root_uuid\":\"");
        return result ? result : write_uuid(out, handle, of_handle, UUID);
    }
    return is_handle(parent) && is_handle(root) ? write_above(out, parent, root) : FOREIGN;
}

static int write_mark_ids(Writer *out, PyObject *mark)
{
    PyObject *scope = get(mark, of_mark, M_SCOPE);
    int result = write_uuid(out, mark, of_mark, M_UUID);
    if (result) {
        return result;
    }
    if (scope == Py_None) {
        return write_text(out, "\",\"parent_uuid\":null,\"propagation_root_uuid\":null,\"timestamp\":\"");
    }
    if (!is_handle(scope)) {
        return FOREIGN;
    }
    PyObject *root = get(scope, of_handle, ROOT);
    root = root == Py_None ? scope : root;
    return is_handle(root) ? write_above(out, scope, root) || write_text(out, "\",\"timestamp\":\"") : FOREIGN;
}

static char *put_digits(char *to, unsigned number, int digits)
{
    for (int place = digits; place-- > 0; number /= 10) {
        to[place] = (char)('0' + number % 10);
    }
    return to + digits;
}

/* Write a moment as 2026-03-01T12:34:56.123456Z; from 1970 on, and not beyond the year 9999. */
static int write_moment(Writer *out, long long at)
{
    if (at < 0 || at >= 2932896 * MICROSECONDS_A_DAY || writer_reserve(out, 32)) {
        return FOREIGN;
    }
    /* Days to a date, in years that begin in March: the day after a February is the first of a cycle. */
    unsigned days = (unsigned)(at / MICROSECONDS_A_DAY) + 719468, era = days / 146097, day = days % 146097;
    unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    unsigned month = (5 * day + 2) / 153;
    unsigned day_of_month = day - (153 * month + 2) / 5 + 1;
    month = month < 10 ? month + 3 : month - 9;
    year += 400 * era + (month <= 2);
    unsigned long long rest = (unsigned long long)(at % MICROSECONDS_A_DAY);
    unsigned seconds = (unsigned)(rest / 1000000);
    char *to = out->data + out->length;
    to = put_digits(to, year, 4);
    *to++ = '-';
    to = put_digits(to, month, 2);
    *to++ = '-';
    to = put_digits(to, day_of_month, 2);
    *to++ = 'T';
    to = put_digits(to, seconds / 3600, 2);
    *to++ = ':';
    to = put_digits(to, seconds / 60 % 60, 2);
    *to++ = ':';
    to = put_digits(to, seconds % 60, 2);
    *to++ = '.';
    to = put_digits(to, (unsigned)(rest % 1000000), 6);
    *to++ = 'Z';
    out->length = to - out->data;
    return WRITTEN;
}

static int write_attributes(Writer *out, PyObject *handle)
{
    if (get(handle, of_handle, EXTRAS) == Py_None) {
        return write_text(out, ",\"attributes\":[]");
    }
    PyObject *attributes = PyObject_GetAttrString(handle, "attributes");
    if (attributes == NULL) {
        return FAILED;
    }
    int result = write_text(out, ",\"attributes\":");
    result = result ? result : write_value(out, attributes, 2);
    Py_DECREF(attributes);
    return result;
}

static int write_labels(Writer *out, PyObject *identity, int is_scope)
{
    PyObject *name = is_scope ? get(identity, of_handle, NAME) : get(identity, of_mark, M_NAME);
    PyObject *category = is_scope ? get(identity, of_handle, TYPE) : get(identity, of_mark, M_CATEGORY);
    int result = write_text(out, ",\"name\":");
    result = result ? result : write_string(out, name, 0);
    if (!result && is_scope) {
        result = write_attributes(out, identity);
    }
    result = result ? result : write_text(out, ",\"category\":");
    if (result) {
        return result;
    }
    if (category == Py_None) {
        return write_text(out, "null");
    }
    return PyUnicode_Check(category) ? write_string(out, category, 0) : FOREIGN;
}

/* Write one line. The record is that of relay_core.wire: identity, phase, moment, data, schema, metadata, profile, extra,
   and what delivery keeps behind it. */
static int write_line(Writer *out, PyObject *record)
{
    if (!PyTuple_CheckExact(record) || PyTuple_GET_SIZE(record) < 8) {
        return FOREIGN;
    }
    PyObject *const *fields = &PyTuple_GET_ITEM(record, 0);
    PyObject *identity = fields[0], *phase = fields[1], *extra = fields[7];
    int is_scope = is_handle(identity);
    int is_known = is_scope ? phase == bound.start || phase == bound.end : phase == Py_None;
    if ((!is_scope && Py_TYPE(identity) != bound.mark) || extra != Py_None || !is_known) {
        return FOREIGN;
    }
    long long at = PyLong_AsLongLong(fields[2]);
    const char *head = !is_scope                ? "{\"kind\":\"mark\",\"atof_version\":\"0.1\",\"uuid\":\""
                       : phase == bound.start ? "{\"kind\":\"scope\",\"scope_category\":\"start\",\"atof_version\":"
                                                "\"0.1\",\"uuid\":\""
                                              : "{\"kind\":\"scope\",\"scope_category\":\"end\",\"atof_version\":"
                                                "\"0.1\",\"uuid\":\"";
    int result = write_text(out, head);
    result = result ? result : is_scope ? write_scope_ids(out, identity) : write_mark_ids(out, identity);
    if (!result && is_scope) {
        result = write_text(out, "\",\"timestamp\":\"");
    }
    result = result ? result : write_moment(out, at);
    result = result ? result : write_text(out, "\"");
    result = result ? result : write_labels(out, identity, is_scope);
    result = result ? result : write_text(out, ",\"category_profile\":");
    result = result ? result : write_document(out, fields[6]);
    result = result ? result : write_text(out, ",\"data\":");
    result = result ? result : write_document(out, fields[3]);
    result = result ? result : write_text(out, ",\"data_schema\":");
    result = result ? result : write_document(out, fields[4]);
    result = result ? result : write_text(out, ",\"metadata\":");
    result = result ? result : write_document(out, fields[5]);
    return result ? result : write_text(out, "}\n");
}

/* Guess how long the lines will be, so that the buffer grows once. */
static Py_ssize_t guessed_length(PyObject *records)
{
    static const int DOCUMENTS[] = {3, 4, 5, 6};
    Py_ssize_t length = 0;
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(records); index++) {
        PyObject *record = PyList_GET_ITEM(records, index);
        length += 512;
        for (int place = 0; PyTuple_CheckExact(record) && PyTuple_GET_SIZE(record) >= 8 && place < 4; place++) {
            PyObject *document = PyTuple_GET_ITEM(record, DOCUMENTS[place]);
            length += PyBytes_CheckExact(document) ? PyBytes_GET_SIZE(document) : 0;
        }
    }
    return length;
}

/* Return the lines of a list of records; None where a record is such that relay_core has to write them. */
PyObject *wire_lines(PyObject *module, PyObject *records)
{
    Writer out = {.most = PY_SSIZE_T_MAX};
    int result = PyList_CheckExact(records) && bound.handle != NULL ? WRITTEN : FOREIGN;
    result = result ? result : writer_reserve(&out, guessed_length(records));
    for (Py_ssize_t index = 0; !result && index < PyList_GET_SIZE(records); index++) {
        PyObject *record = Py_NewRef(PyList_GET_ITEM(records, index));
        result = write_line(&out, record);
        Py_DECREF(record);
    }
    PyObject *text = result ? NULL : PyBytes_FromStringAndSize(out.data, out.length);
    PyMem_RawFree(out.data);
    if (text == NULL && !PyErr_Occurred()) {
        Py_RETURN_NONE;
    }
    return text;
}
