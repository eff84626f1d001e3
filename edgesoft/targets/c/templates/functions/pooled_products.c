/* One unit's products at the four places of a block, of which the largest counts. */
static size_t pooled_products(const input_t *first, size_t channels, size_t lane, const int8_t *weights, int32_t *sum)
{
    const input_t *const second = first + 3 * channels, *const third = first + lane, *const fourth = third + 3 * channels;
    int32_t a = 0, b = 0, c = 0, d = 0;
    size_t i;
    for (i = 0; i < 9 * channels; i++) {
        a += (int32_t)first[i] * weights[i];
        b += (int32_t)second[i] * weights[i];
        c += (int32_t)third[i] * weights[i];
        d += (int32_t)fourth[i] * weights[i];
    }
    a = a > b ? a : b;
    c = c > d ? c : d;
    *sum = a > c ? a : c;
    return 1;
}
