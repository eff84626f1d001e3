/* Where the processor multiplies vectors of 16 bits but not of bytes against bytes, the inputs of a product are widened first. */
#if (defined(__SSE2__) && !defined(__AVXVNNI__) && !defined(__AVX512VNNI__)) \
    || (defined(__ARM_NEON) && !defined(__ARM_FEATURE_MATMUL_INT8))
#define WIDE 1
typedef int16_t input_t;
static input_t wide[@widest];
#else
#define WIDE 0
typedef uint8_t input_t;
#endif

static const input_t *widened(const uint8_t *x, size_t inputs)
{
#if WIDE
    size_t i;
    for (i = 0; i < inputs; i++) {
        wide[i] = x[i];
    }
    return wide;
#else
    (void)inputs;
    return x;
#endif
}

/* The next one or four units' products, as whole numbers: any order of summation gives the same. Returns how many. */
static size_t products(const input_t *x, size_t inputs, const int8_t *weights, size_t units, int32_t *sums)
{
    size_t i;
#if WIDE
    if (units >= 4) {
        const int8_t *const second = weights + inputs, *const third = second + inputs, *const fourth = third + inputs;
        int32_t a = 0, b = 0, c = 0, d = 0;
        for (i = 0; i < inputs; i++) {
            a += (int32_t)x[i] * weights[i];
            b += (int32_t)x[i] * second[i];
            c += (int32_t)x[i] * third[i];
            d += (int32_t)x[i] * fourth[i];
        }
        sums[0] = a;
        sums[1] = b;
        sums[2] = c;
        sums[3] = d;
        return 4;
    }
#else
    (void)units;
#endif
    sums[0] = 0;
    for (i = 0; i < inputs; i++) {
        sums[0] += (int32_t)x[i] * weights[i];
    }
    return 1;
}
