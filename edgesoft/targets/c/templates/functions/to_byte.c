/* The nearest whole number from 0 to 255, half to even; 0 for what is none. Without libm: adding 1.5 * 2^23 rounds. The bits of floats,
 * read as whole numbers, have the order of the floats from 0 upwards, and compilers do not make branches of them. */
static uint8_t to_byte(float value)
{
    int32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits *= bits <= 0x7f800000; /* above infinity: no number */
    bits = bits > 0 ? bits : 0;
    bits = bits < 0x437f0000 ? bits : 0x437f0000; /* 255 */
    memcpy(&value, &bits, sizeof bits);
    value += 12582912.0f;
    memcpy(&bits, &value, sizeof bits);
    return (uint8_t)(bits & 0xff);
}
