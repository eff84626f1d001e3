#if WIDE
static input_t wide[@widest];
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
