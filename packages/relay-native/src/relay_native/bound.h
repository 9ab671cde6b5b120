/* What the fast path works on: the classes of relay_core, and where their instances keep what it reads and writes. */

#ifndef RELAY_NATIVE_BOUND_H
#define RELAY_NATIVE_BOUND_H

#include "native.h"

#define SLOT(object, offset) (*(PyObject **)((char *)(object) + (offset)))

typedef struct {
    const char *name;
    Py_ssize_t offset;
} Slot;

enum { NAME, TYPE, PARENT, ROOT, OWNER, STARTED, CLOSED, MUTED, UUID, METADATA, EXTRAS, OUTER, RUN, WIRE, HANDLE_SLOTS };
extern Slot of_handle[];

enum { M_NAME, M_SCOPE, M_UUID, M_CATEGORY, M_WIRE, MARK_SLOTS };
extern Slot of_mark[];

enum {
    S_READY, S_LOCALS, S_RUNS, S_IMPLICIT, S_OWNER, S_BEGUN, S_ENDED, S_AUDIENCE, S_UNCAPTURED, S_SAMPLING, S_CLOCK,
    S_NEW_UUID, S_EMIT, S_ENCODE, SCOPES_SLOTS
};
extern Slot of_scopes[];

enum { Q_EMITTED, Q_DELIVERING, Q_ITEMS, Q_BYTES, Q_ALERT_EVENTS, Q_ALERT_BYTES, Q_ATTEND, QUEUE_SLOTS };
extern Slot of_queue[];

enum { E_ATTRIBUTES, E_DATA, E_IDENTITY, E_LOCAL, E_METADATA, E_OUTPUT, EXTRAS_SLOTS };
extern Slot of_extras[];

enum { WANTS_START, WANTS_END, WANTS_MARK, AUDIENCE_SLOTS };
extern Slot of_audience[];

struct Bound {
    PyTypeObject *handle, *extras, *mark, *scope_type, *audience;
    PyObject *current;      /* the ContextVar */
    PyObject *function;     /* ScopeType.Function */
    PyObject *custom;       /* ScopeType.Custom */
    PyObject *ok;           /* Outcome.OK */
    PyObject *ok_metadata;  /* the end's metadata where there is no other */
    PyObject *ok_status;    /* the same without braces */
    PyObject *clock;        /* time.time_ns */
    PyObject *check_schema; /* checks.checked_schema */
    PyObject *kept;         /* a tuple: what the end's profile repeats from the start's */
    PyObject *append, *start, *end, *told, *end_profile; /* names and words */
};
extern struct Bound bound;

static inline PyObject *get(PyObject *object, const Slot *slots, int which)
{
    return SLOT(object, slots[which].offset);
}

/* Store a value, which is stolen. */
static inline void put(PyObject *object, const Slot *slots, int which, PyObject *value)
{
    PyObject **place = &SLOT(object, slots[which].offset);
    PyObject *old = *place;
    *place = value;
    Py_XDECREF(old);
}

int add(PyObject *object, const Slot *slots, int which, long long more);

/* --- context.c: what is current ---------------------------------------------------------------------------------- */

int make_current(PyObject *entry);
int leave(PyObject *handle);
int first_open(PyObject *entry, PyObject **found);
int surroundings(PyObject *scopes, PyObject *handle, int wants_outer, PyObject **outer, PyObject **parent);

/* --- emission.c: events into the queue --------------------------------------------------------------------------- */

PyObject *encoded(PyObject *scopes, PyObject *value);
PyObject *encoded_object(PyObject *scopes, PyObject *value);
int enqueue(PyObject *queue, PyObject *item);

/* What an event says; all are references of its own, NULL for None. */
typedef struct {
    PyObject *document, *schema, *told, *profile, *audience;
    Py_ssize_t size; /* bytes of payload */
} Event;

int emit(PyObject *scopes, PyObject *identity, PyObject *phase, long long at, Event *event);
void forget_event(Event *event);
PyObject *audience_of(PyObject *scopes);
int wants(PyObject *audience, int which);
long long now(PyObject *scopes);

/* --- accelerated.c ----------------------------------------------------------------------------------------------- */

int is_accelerated_emit(PyObject *function);

/* --- scopes.c: the functions, with their arguments sorted -------------------------------------------------------- */

int fast_begin(int pushes, PyObject **arguments, PyObject **result);
int fast_end(PyObject *scopes, PyObject **arguments, int leaves);
int fast_event(PyObject **arguments, PyObject **result);

#endif
