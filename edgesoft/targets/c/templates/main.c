/* Replays the golden examples, and says how many of them gave the recorded answer. Made by edgesoft @version. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "golden.h"
#include "@name.h"

int main(void)
{
    int example, right = 0, i;
    for (example = 0; example < GOLDEN_EXAMPLES; example++) {
        float logits[@{NAME}_LOGITS];
        int same = @{name}_classify(@recorded, logits) == golden_labels[example];
        for (i = 0; i < @{NAME}_LOGITS; i++) {
            same = same && @compare;
        }
        right += same;
    }
    printf("@name: %d of %d golden examples: @said\n", right, GOLDEN_EXAMPLES);
    return right == GOLDEN_EXAMPLES ? 0 : 1;
}
