/* A look for credentials in JSON documents: whether one of certain keys may be there. What it finds, relay_core.redaction
   looks at with care; what it does not find is not there.

   It stops at the bytes with which something may begin, a quote above all, and decides most of them by the two bytes
   that follow. */

#include "native.h"

#include <stddef.h>

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#include <immintrin.h>
#define HAS_AVX2 1
#endif

#define FEW_STARTS 4

typedef struct {
    char *text; /* lower case */
    Py_ssize_t length;
    int ends;   /* a quote must follow, behind any backslashes */
} Needle;

typedef struct {
    PyObject_HEAD
    Py_ssize_t count;      /* all needles; the keys come first */
    Py_ssize_t keys;       /* how many are whole keys: they follow a quote */
    Needle *needles;
    char starts[256];      /* bytes at which something may begin */
    char distinct[256];    /* the same bytes, one after the other */
    int distinct_count;
    char pairs[256];       /* by the hash of the two bytes behind a quote: whether a key may be there */
} Scanner;

static inline unsigned char lower(unsigned char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte + 32) : byte;
}

static inline unsigned char pair_hash(unsigned char first, unsigned char second)
{
    return (unsigned char)(lower(first) * 31 + lower(second));
}

static int is_here(const Needle *needle, const char *at, const char *end)
{
    if (end - at < needle->length) {
        return 0;
    }
    for (Py_ssize_t index = 0; index < needle->length; index++) {
        if (lower((unsigned char)at[index]) != (unsigned char)needle->text[index]) {
            return 0;
        }
    }
    at += needle->length;
    if (!needle->ends) {
        return 1;
    }
    while (at < end && *at == '\\') {
        at++;
    }
    return at < end && *at == '"';
}

/* An escape that may hide a character of a key: \u002d and \u003* to \u007*. */
static int is_hidden(const char *at, const char *end)
{
    if (end - at < 6 || memcmp(at, "\\u00", 4) != 0) {
        return 0;
    }
    return (at[4] >= '3' && at[4] <= '7') || (at[4] == '2' && lower((unsigned char)at[5]) == 'd');
}

/* Whether something begins at a byte of `starts`. A document ends with a zero, so two bytes more can be read. */
static inline int is_found(const Scanner *self, const char *at, const char *end)
{
    if (*at == '"') {
        if (!self->pairs[pair_hash((unsigned char)at[1], at[1] ? (unsigned char)at[2] : 0)]) {
            return 0;
        }
        for (Py_ssize_t index = 0; index < self->keys; index++) {
            if (is_here(&self->needles[index], at + 1, end)) {
                return 1;
            }
        }
        return 0;
    }
    if (*at == '\\' && is_hidden(at, end)) {
        return 1;
    }
    for (Py_ssize_t index = self->keys; index < self->count; index++) {
        if (is_here(&self->needles[index], at, end)) {
            return 1;
        }
    }
    return 0;
}

#ifdef HAS_AVX2
/* Look at whole blocks of 32 bytes; returns where the rest begins, or NULL if something was found. */
__attribute__((target("avx2"))) static const char *scan_blocks(const Scanner *self, const char *at, const char *end)
{
    __m256i starts[FEW_STARTS];
    for (int index = 0; index < FEW_STARTS; index++) {
        starts[index] = _mm256_set1_epi8(self->distinct[index < self->distinct_count ? index : 0]);
    }
    while (end - at >= 32) {
        __m256i block = _mm256_loadu_si256((const __m256i *)(const void *)at);
        __m256i found = _mm256_or_si256(
            _mm256_or_si256(_mm256_cmpeq_epi8(block, starts[0]), _mm256_cmpeq_epi8(block, starts[1])),
            _mm256_or_si256(_mm256_cmpeq_epi8(block, starts[2]), _mm256_cmpeq_epi8(block, starts[3])));
        unsigned mask = (unsigned)_mm256_movemask_epi8(found);
        while (mask) {
            if (is_found(self, at + __builtin_ctz(mask), end)) {
                return NULL;
            }
            mask &= mask - 1;
        }
        at += 32;
    }
    return at;
}
#endif

static int is_suspicious(const Scanner *self, const char *at, const char *end)
{
#ifdef HAS_AVX2
    if (self->distinct_count <= FEW_STARTS && end - at >= 32 && __builtin_cpu_supports("avx2")) {
        at = scan_blocks(self, at, end);
        if (at == NULL) {
            return 1;
        }
    }
#endif
    for (; at < end; at++) {
        if (self->starts[(unsigned char)*at] && is_found(self, at, end)) {
            return 1;
        }
    }
    return 0;
}

static PyObject *scanner_search(PyObject *self, PyObject *documents)
{
    if (!PyList_CheckExact(documents)) {
        PyErr_SetString(PyExc_TypeError, "search takes a list of bytes");
        return NULL;
    }
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(documents); index++) {
        PyObject *document = PyList_GET_ITEM(documents, index);
        if (!PyBytes_CheckExact(document)) {
            PyErr_SetString(PyExc_TypeError, "search takes a list of bytes");
            return NULL;
        }
        const char *text = PyBytes_AS_STRING(document);
        if (is_suspicious((const Scanner *)self, text, text + PyBytes_GET_SIZE(document))) {
            Py_RETURN_TRUE;
        }
    }
    Py_RETURN_FALSE;
}

/* --- Making one -------------------------------------------------------------------------------------------------- */

static void start_at(Scanner *self, unsigned char byte)
{
    if (!self->starts[byte]) {
        self->starts[byte] = 1;
        self->distinct[self->distinct_count++] = (char)byte;
    }
}

/* Take over a needle, which is lower case and ASCII. */
static int take_needle(Scanner *self, Needle *needle, PyObject *text, int ends)
{
    Py_ssize_t length;
    const char *utf8 = PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &length) : NULL;
    if (utf8 == NULL || length < 2 || !PyUnicode_IS_ASCII(text)) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_ValueError, "%R is no text of two ASCII characters or more", text);
        }
        return FAILED;
    }
    needle->text = PyMem_Malloc((size_t)length);
    if (needle->text == NULL) {
        PyErr_NoMemory();
        return FAILED;
    }
    for (Py_ssize_t index = 0; index < length; index++) {
        needle->text[index] = (char)lower((unsigned char)utf8[index]);
    }
    needle->length = length;
    needle->ends = ends;
    return WRITTEN;
}

static PyObject *scanner_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"keys", "parts", NULL};
    PyObject *keys, *parts;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!:Scanner", names, &PyTuple_Type, &keys, &PyTuple_Type, &parts)) {
        return NULL;
    }
    Scanner *self = (Scanner *)type->tp_alloc(type, 0); /* zeroed */
    if (self == NULL) {
        return NULL;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(keys) + PyTuple_GET_SIZE(parts);
    self->needles = PyMem_Calloc((size_t)(count ? count : 1), sizeof(Needle));
    if (self->needles == NULL) {
        PyErr_NoMemory();
        Py_DECREF(self);
        return NULL;
    }
    start_at(self, '"');
    start_at(self, '\\');
    self->keys = PyTuple_GET_SIZE(keys);
    for (Py_ssize_t index = 0; index < count; index++) {
        Needle *needle = &self->needles[index];
        int ends = 1;
        PyObject *text;
        if (index < self->keys) {
            text = PyTuple_GET_ITEM(keys, index);
        }
        else if (!PyArg_ParseTuple(PyTuple_GET_ITEM(parts, index - self->keys), "Up", &text, &ends)) {
            Py_DECREF(self);
            return NULL;
        }
        if (take_needle(self, needle, text, ends)) {
            Py_DECREF(self);
            return NULL;
        }
        self->count++;
        unsigned char first = (unsigned char)needle->text[0];
        if (index < self->keys) {
            self->pairs[pair_hash(first, (unsigned char)needle->text[1])] = 1;
        }
        else {
            start_at(self, first);
            start_at(self, first >= 'a' && first <= 'z' ? (unsigned char)(first - 32) : first);
        }
    }
    return (PyObject *)self;
}

static void scanner_dealloc(PyObject *self)
{
    Scanner *scanner = (Scanner *)self;
    for (Py_ssize_t index = 0; scanner->needles != NULL && index < scanner->count; index++) {
        PyMem_Free(scanner->needles[index].text);
    }
    PyMem_Free(scanner->needles);
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef scanner_methods[] = {
    {"search", scanner_search, METH_O,
     PyDoc_STR("search(documents)\n--\n\nWhether there may be a credential in one of several documents.")},
    {NULL, NULL, 0, NULL},
};

PyTypeObject Scanner_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "relay_native.Scanner",
    .tp_doc = PyDoc_STR("Scanner(keys, parts): looks for whole keys and for parts of keys, in any case. Immutable."),
    .tp_basicsize = sizeof(Scanner),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = scanner_new,
    .tp_dealloc = scanner_dealloc,
    .tp_methods = scanner_methods,
};
