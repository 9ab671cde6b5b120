/* JSON text: strings, integers and floats into a growing buffer. Nothing here runs Python code. */

#include "native.h"

#include <math.h>

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#include <immintrin.h>
#define HAS_AVX2 1 /* at compile time; whether this processor has it is asked at run time */
#endif

static const char HEX[] = "0123456789abcdef";

int writer_grow(Writer *out, Py_ssize_t more)
{
    if (more > PY_SSIZE_T_MAX - out->length - SLACK) {
        PyErr_NoMemory();
        return FAILED;
    }
    Py_ssize_t wanted = out->length + more + SLACK;
    Py_ssize_t capacity = out->capacity > PY_SSIZE_T_MAX / 2 ? PY_SSIZE_T_MAX : 2 * out->capacity;
    if (capacity < wanted) {
        capacity = wanted;
    }
    char *data = PyMem_RawRealloc(out->data, (size_t)capacity);
    if (data == NULL) {
        PyErr_NoMemory();
        return FAILED;
    }
    out->data = data;
    out->capacity = capacity;
    return WRITTEN;
}

/* --- Strings ----------------------------------------------------------------------------------------------------- */

static inline int is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte != '"' && byte != '\\';
}

/* Write a character that JSON wants escaped; at most 6 bytes. */
static char *put_escape(char *to, unsigned char byte)
{
    *to++ = '\\';
    switch (byte) {
    case '"': *to++ = '"'; break;
    case '\\': *to++ = '\\'; break;
    case '\b': *to++ = 'b'; break;
    case '\t': *to++ = 't'; break;
    case '\n': *to++ = 'n'; break;
    case '\f': *to++ = 'f'; break;
    case '\r': *to++ = 'r'; break;
    default:
        memcpy(to, "u00", 3);
        to[3] = HEX[byte >> 4];
        to[4] = HEX[byte & 15];
        to += 5;
    }
    return to;
}

#define ONES 0x0101010101010101ULL

/* Whether 8 bytes are all plain. Bytes beyond ASCII are. */
static inline int are_plain(uint64_t bytes)
{
    uint64_t control = bytes - ONES * 0x20, quote = (bytes ^ ONES * '"') - ONES, slash = (bytes ^ ONES * '\\') - ONES;
    return !((control | quote | slash) & ~bytes & (ONES * 0x80));
}

static inline uint64_t load8(const char *from)
{
    uint64_t bytes;
    memcpy(&bytes, from, 8);
    return bytes;
}

/* Load up to 8 bytes, with blanks behind them, without a loop or a call. */
static inline uint64_t load_short(const char *from, Py_ssize_t length)
{
    if (length == 8) {
        return load8(from);
    }
    uint64_t bytes = length ? ONES * ' ' << (8 * length) : ONES * ' ';
    if (length >= 4) { /* two halves, which may overlap */
        uint32_t first, last;
        memcpy(&first, from, 4);
        memcpy(&last, from + length - 4, 4);
        bytes |= first | (uint64_t)last << (8 * (length - 4));
    }
    else if (length) {
        bytes |= (uint64_t)(unsigned char)from[0] | (uint64_t)(unsigned char)from[length / 2] << (8 * (length / 2)) |
                 (uint64_t)(unsigned char)from[length - 1] << (8 * (length - 1));
    }
    return bytes;
}

#ifdef HAS_AVX2
/* Copy plain bytes, 32 at a time; stops at a block in which one is not, or that is no whole one. */
__attribute__((target("avx2"))) static const char *copy_blocks(char **to, const char *from, const char *end)
{
    const __m256i quote = _mm256_set1_epi8('"'), slash = _mm256_set1_epi8('\\'), control = _mm256_set1_epi8(0x1f);
    char *into = *to;
    while (end - from >= 32) {
        __m256i block = _mm256_loadu_si256((const __m256i *)(const void *)from);
        __m256i odd = _mm256_or_si256(_mm256_cmpeq_epi8(block, quote), _mm256_cmpeq_epi8(block, slash));
        odd = _mm256_or_si256(odd, _mm256_cmpeq_epi8(_mm256_min_epu8(block, control), block));
        if (!_mm256_testz_si256(odd, odd)) {
            break;
        }
        _mm256_storeu_si256((__m256i *)(void *)into, block);
        from += 32;
        into += 32;
    }
    *to = into;
    return from;
}
#endif

/* Copy plain bytes up to the first that is not, or to the end. */
static const char *copy_plain(char **to, const char *from, const char *end)
{
#ifdef HAS_AVX2
    if (end - from >= 32 && __builtin_cpu_supports("avx2")) {
        from = copy_blocks(to, from, end);
    }
#endif
    char *into = *to;
    while (end - from >= 8) {
        uint64_t bytes = load8(from);
        if (!are_plain(bytes)) {
            break;
        }
        memcpy(into, &bytes, 8);
        from += 8;
        into += 8;
    }
    while (from < end && is_plain((unsigned char)*from)) {
        *into++ = *from++;
    }
    *to = into;
    return from;
}

/* Write UTF-8 with its escapes, without the quotes. */
int write_escaped(Writer *out, const char *utf8, Py_ssize_t length)
{
    const char *from = utf8, *end = utf8 + length;
    if (writer_reserve(out, length)) {
        return FAILED;
    }
    for (;;) {
        char *to = out->data + out->length;
        from = copy_plain(&to, from, end);
        out->length = to - out->data;
        if (from == end) {
            return WRITTEN;
        }
        if (writer_reserve(out, end - from + 6)) {
            return FAILED;
        }
        to = put_escape(out->data + out->length, (unsigned char)*from++);
        out->length = to - out->data;
    }
}

static char *put_utf8(char *to, Py_UCS4 point)
{
    if (point < 0x80) {
        *to++ = (char)point;
    }
    else if (point < 0x800) {
        *to++ = (char)(0xC0 | (point >> 6));
        *to++ = (char)(0x80 | (point & 0x3F));
    }
    else if (point < 0x10000) {
        *to++ = (char)(0xE0 | (point >> 12));
        *to++ = (char)(0x80 | ((point >> 6) & 0x3F));
        *to++ = (char)(0x80 | (point & 0x3F));
    }
    else {
        *to++ = (char)(0xF0 | (point >> 18));
        *to++ = (char)(0x80 | ((point >> 12) & 0x3F));
        *to++ = (char)(0x80 | ((point >> 6) & 0x3F));
        *to++ = (char)(0x80 | (point & 0x3F));
    }
    return to;
}

/* Text beyond ASCII, character by character. Halves of a surrogate pair are joined, lone ones become U+FFFD; in a key
   they are refused, because two keys may come out alike. */
static int write_wide(Writer *out, PyObject *text, int is_key)
{
    const int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    const Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    for (Py_ssize_t at = 0; at < length; at++) {
        if (writer_reserve(out, 8)) {
            return FAILED;
        }
        char *to = out->data + out->length;
        Py_UCS4 point = PyUnicode_READ(kind, data, at);
        if (point < 0x80 && !is_plain((unsigned char)point)) {
            to = put_escape(to, (unsigned char)point);
        }
        else {
            if (point >= 0xD800 && point <= 0xDFFF) {
                if (is_key) {
                    return FOREIGN;
                }
                Py_UCS4 low = at + 1 < length ? PyUnicode_READ(kind, data, at + 1) : 0;
                if (point <= 0xDBFF && low >= 0xDC00 && low <= 0xDFFF) {
                    point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
                    at++;
                }
                else {
                    point = 0xFFFD;
                }
            }
            to = put_utf8(to, point);
        }
        out->length = to - out->data;
    }
    return WRITTEN;
}

/* Write text of up to 8 bytes, as most keys are, in one go; says whether it was plain. */
static inline int put_short(Writer *out, const char *text, Py_ssize_t length)
{
    uint64_t bytes = load_short(text, length);
    if (!are_plain(bytes)) {
        return 0;
    }
    memcpy(out->data + out->length, &bytes, 8); /* what is too much is written over */
    out->length += length;
    return 1;
}

int write_string(Writer *out, PyObject *text, int is_key)
{
    const Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    if (length > out->most) {
        return OVERSIZE;
    }
    if (writer_reserve(out, length + 2)) {
        return FAILED;
    }
    out->data[out->length++] = '"';
    int result = WRITTEN;
#if PY_VERSION_HEX < 0x030C0000
    if (PyUnicode_READY(text)) {
        return FAILED;
    }
#endif
    if (PyUnicode_IS_COMPACT_ASCII(text)) {
        const char *ascii = (const char *)PyUnicode_DATA(text);
        if (PY_BIG_ENDIAN || length > 8 || !put_short(out, ascii, length)) {
            result = write_escaped(out, ascii, length);
        }
    }
    else {
        result = write_wide(out, text, is_key);
    }
    if (result) {
        return result;
    }
    out->data[out->length++] = '"';  /* within the slack */
    return WRITTEN;
}

/* --- Numbers ----------------------------------------------------------------------------------------------------- */

static char *put_unsigned(char *to, unsigned long long number)
{
    if (number < 10) {
        *to++ = (char)('0' + number);
        return to;
    }
    char digits[20];
    int at = 20;
    while (number >= 10) {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    }
    digits[--at] = (char)('0' + number);
    memcpy(to, digits + at, (size_t)(20 - at));
    return to + 20 - at;
}

static char *put_signed(char *to, long long number)
{
    if (number >= 0) {
        return put_unsigned(to, (unsigned long long)number);
    }
    *to++ = '-';
    return put_unsigned(to, 0ULL - (unsigned long long)number);
}

/* An integer of more than 64 bits is foreign: it is recorded as a string. */
int write_int(Writer *out, PyObject *number)
{
    if (writer_reserve(out, 24)) {
        return FAILED;
    }
    int overflow;
    char *to = out->data + out->length;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (!overflow) {
        to = put_signed(to, value);
    }
    else {
        unsigned long long large = overflow > 0 ? PyLong_AsUnsignedLongLong(number) : (unsigned long long)-1;
        if (overflow < 0 || (large == (unsigned long long)-1 && PyErr_Occurred())) {
            PyErr_Clear();
            return FOREIGN;
        }
        to = put_unsigned(to, large);
    }
    out->length = to - out->data;
    return WRITTEN;
}

#define SHORT_DIGITS 10
#define MANY_SLOW_FLOATS 64

/* A float with few decimals, as most are: digits / 10**n is that very float, for both are exact and division rounds
   correctly. Returns NULL if it has more. */
static char *put_short_float(char *to, double number)
{
    static const double POWERS[SHORT_DIGITS] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
    for (int decimals = 0; decimals < SHORT_DIGITS; decimals++) {
        double scaled = number * POWERS[decimals];
        if (!(scaled > -9007199254740992.0 && scaled < 9007199254740992.0)) {
            return NULL;
        }
        double whole = nearbyint(scaled);
        if (whole / POWERS[decimals] != number) {
            continue;
        }
        long long digits = (long long)whole;
        if (signbit(number)) {
            *to++ = '-';
            digits = -digits;
        }
        long long power = (long long)POWERS[decimals];
        to = put_unsigned(to, (unsigned long long)(digits / power));
        *to++ = '.';
        if (decimals == 0) {
            *to++ = '0';
            return to;
        }
        long long rest = digits % power;
        for (power /= 10; power; power /= 10) {
            *to++ = (char)('0' + rest / power % 10);
        }
        return to;
    }
    return NULL;
}

/* A float that is no number is null. Many floats with all their digits are foreign: others write those faster. */
int write_float(Writer *out, double number)
{
    if (!isfinite(number)) {
        return write_bytes(out, "null", 4);
    }
    if (writer_reserve(out, 32)) {
        return FAILED;
    }
    char *to = put_short_float(out->data + out->length, number);
    if (to != NULL) {
        out->length = to - out->data;
        return WRITTEN;
    }
    if (++out->slow_floats > MANY_SLOW_FLOATS) {
        return FOREIGN;
    }
    char *text = PyOS_double_to_string(number, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (text == NULL) {
        return FAILED;
    }
    int result = write_bytes(out, text, (Py_ssize_t)strlen(text));
    PyMem_Free(text);
    return result;
}
