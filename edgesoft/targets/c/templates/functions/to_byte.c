/* The nearest whole number from 0 to 255, half to even; 0 for what is none. Without libm: adding 1.5 * 2^23 rounds. */
static uint8_t to_byte(float value)
{
    uint32_t bits;
    value = value > 0.0f ? value : 0.0f;
    value = value < 255.0f ? value : 255.0f;
    value += 12582912.0f;
    memcpy(&bits, &value, sizeof bits);
    return (uint8_t)(bits & 0xffu);
}
