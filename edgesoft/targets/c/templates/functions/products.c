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
