/* Emission: payloads are encoded, and events go into the queue; see relay_core.event_queue. */

#include "bound.h"

#include <time.h>

PyObject *encoded(PyObject *scopes, PyObject *value)
{
    PyObject *encode = get(scopes, of_scopes, S_ENCODE);
    if (encode == NULL) {
        PyErr_SetString(PyExc_SystemError, "relay_native: there is no encoder");
        return NULL;
    }
    PyObject *document = Py_TYPE(encode) == &Snapshot_Type ? snapshot_call(encode, value)
                                                           : PyObject_CallOneArg(encode, value);
    if (document != NULL && !PyBytes_CheckExact(document)) {
        PyErr_Format(PyExc_TypeError, "the encoder returned %.100s, not bytes", Py_TYPE(document)->tp_name);
        Py_CLEAR(document);
    }
    return document;
}

/* Encode what has to be a JSON object; anything else is recorded under "value". */
PyObject *encoded_object(PyObject *scopes, PyObject *value)
{
    PyObject *document = encoded(scopes, value);
    if (document != NULL && *PyBytes_AS_STRING(document) != '{') {
        Py_SETREF(document, PyBytes_FromFormat("{\"value\":%s}", PyBytes_AS_STRING(document)));
    }
    return document;
}

/* Queue an event; declines where the thread that delivers emits, which has rules of its own. */
int enqueue(PyObject *queue, PyObject *item)
{
    PyObject *delivering = get(queue, of_queue, Q_DELIVERING), *items = get(queue, of_queue, Q_ITEMS);
    if (delivering == NULL || items == NULL || !PyTuple_CheckExact(item)) {
        return FOREIGN;
    }
    unsigned long thread = PyLong_AsUnsignedLong(delivering);
    if (thread == (unsigned long)-1 || (thread && thread == PyThread_get_thread_ident())) {
        PyErr_Clear();
        return FOREIGN;
    }
    long long size = PyLong_AsLongLong(PyTuple_GET_ITEM(item, PyTuple_GET_SIZE(item) - 1));
    if (add(queue, of_queue, Q_EMITTED, 1) || add(queue, of_queue, Q_BYTES, size)) {
        return FAILED;
    }
    Py_INCREF(items);
    PyObject *done = PyObject_CallMethodOneArg(items, bound.append, item);
    Py_ssize_t waiting = done == NULL ? -1 : PyObject_Size(items);
    Py_DECREF(items);
    Py_XDECREF(done);
    if (waiting < 0) {
        return FAILED;
    }
    if (waiting > PyLong_AsSsize_t(get(queue, of_queue, Q_ALERT_EVENTS)) ||
        PyLong_AsLongLong(get(queue, of_queue, Q_BYTES)) > PyLong_AsLongLong(get(queue, of_queue, Q_ALERT_BYTES))) {
        done = PyObject_CallNoArgs(get(queue, of_queue, Q_ATTEND));
        Py_XDECREF(done);
        return done == NULL ? FAILED : WRITTEN;
    }
    return PyErr_Occurred() ? FAILED : WRITTEN;
}

void forget_event(Event *event)
{
    Py_CLEAR(event->document);
    Py_CLEAR(event->schema);
    Py_CLEAR(event->told);
    Py_CLEAR(event->profile);
    Py_CLEAR(event->audience);
}

/* Give a reference away, None for NULL. */
static PyObject *given(PyObject **reference)
{
    PyObject *value = *reference;
    *reference = NULL;
    return value == NULL ? Py_NewRef(Py_None) : value;
}

/* Emit what an event says of a scope or mark; uses the event up. */
int emit(PyObject *scopes, PyObject *identity, PyObject *phase, long long at, Event *event)
{
    PyObject *item = PyTuple_New(12), *time = PyLong_FromLongLong(at), *size = PyLong_FromSsize_t(event->size);
    PyObject *depth = PyLong_FromLong(0), *call = get(scopes, of_scopes, S_EMIT);
    if (item == NULL || time == NULL || size == NULL || depth == NULL || call == NULL) {
        Py_XDECREF(item);
        Py_XDECREF(time);
        Py_XDECREF(size);
        Py_XDECREF(depth);
        forget_event(event);
        return FAILED;
    }
    PyTuple_SET_ITEM(item, 0, Py_NewRef(identity));
    PyTuple_SET_ITEM(item, 1, Py_NewRef(phase == NULL ? Py_None : phase));
    PyTuple_SET_ITEM(item, 2, time);
    PyTuple_SET_ITEM(item, 3, given(&event->document));
    PyTuple_SET_ITEM(item, 4, given(&event->schema));
    PyTuple_SET_ITEM(item, 5, given(&event->told));
    PyTuple_SET_ITEM(item, 6, given(&event->profile));
    PyTuple_SET_ITEM(item, 7, Py_NewRef(Py_None));
    PyTuple_SET_ITEM(item, 8, given(&event->audience));
    PyTuple_SET_ITEM(item, 9, Py_NewRef(Py_None));
    PyTuple_SET_ITEM(item, 10, depth);
    PyTuple_SET_ITEM(item, 11, size);
    int result = FOREIGN;
    if (PyMethod_Check(call) && is_accelerated_emit(PyMethod_GET_FUNCTION(call))) {
        result = enqueue(PyMethod_GET_SELF(call), item);
    }
    if (result == FOREIGN) {
        PyObject *done = PyObject_CallOneArg(call, item);
        Py_XDECREF(done);
        result = done == NULL ? FAILED : WRITTEN;
    }
    Py_DECREF(item);
    return result;
}

/* The audience of this moment: a new reference, NULL if nobody listens. */
PyObject *audience_of(PyObject *scopes)
{
    PyObject *audience = get(scopes, of_scopes, S_AUDIENCE);
    return audience == NULL || audience == Py_None ? NULL : Py_NewRef(audience);
}

int wants(PyObject *audience, int which)
{
    return audience != NULL && get(audience, of_audience, which) == Py_True;
}

/* Microseconds since the epoch, or -1 with an error. */
long long now(PyObject *scopes)
{
    PyObject *clock = get(scopes, of_scopes, S_CLOCK);
    struct timespec moment;
    if (clock == bound.clock && timespec_get(&moment, TIME_UTC)) {
        return (long long)moment.tv_sec * 1000000 + moment.tv_nsec / 1000;
    }
    PyObject *read = clock == NULL ? NULL : PyObject_CallNoArgs(clock);
    if (read == NULL) {
        return -1;
    }
    long long at = PyLong_AsLongLong(read);
    Py_DECREF(read);
    return at == -1 && PyErr_Occurred() ? -1 : at / 1000;
}

