/* Where the processor multiplies vectors of 16 bits but not of bytes against bytes, the inputs of a product are widened first. */
#if (defined(__SSE2__) && !defined(__AVXVNNI__) && !defined(__AVX512VNNI__)) \
    || (defined(__ARM_NEON) && !defined(__ARM_FEATURE_MATMUL_INT8))
#define WIDE 1
typedef int16_t input_t;
#else
#define WIDE 0
typedef uint8_t input_t;
#endif
