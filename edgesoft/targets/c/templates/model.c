/* Made by edgesoft @version from
 * @origin. Do not edit: convert again. */
#include "@name.h"

#include <float.h>@math
#include <stddef.h>
#include <string.h>

#if defined(__FAST_MATH__)
#error "-ffast-math changes the answers: compile this file without it"
#endif
#if FLT_RADIX != 2 || FLT_MANT_DIG != 24
#error "this file needs a float of 32 bits, IEEE 754"
#endif
#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16
#error "this file needs floats that are computed as floats: compile it with -msse2 -mfpmath=sse"
#endif

@constants

const char *const @{name}_labels[@{NAME}_CLASSES] = {
@labels
};
@buffer
@functions
int @{name}_classify(const @type @argument[@{NAME}_INPUTS], float logits[@{NAME}_LOGITS])
{
@declarations@guard@calls
@answer
}
@{weekday_function}