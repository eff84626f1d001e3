/* Made by edgesoft @version from
 * @origin. Do not edit: convert again. */
#include "@name.h"

#include <math.h>

/* Less sure answers, and inputs in which the network recognises less (the logarithm of the sum of the exponentials of the logits), are
 * unknown. */
static const float least_confidence = @confidence;
static const float least_energy = @energy;
@familiar
int @{name}_probabilities(@{given}const float logits[@{NAME}_LOGITS], float probabilities[@{NAME}_CLASSES])
{
    float largest = logits[0], confidence = 0.0f, energy = 0.0f@sum;
    int i;
    for (i = 1; i < @{NAME}_LOGITS; i++) {
        largest = logits[i] > largest ? logits[i] : largest;
    }
    for (i = 0; i < @{NAME}_LOGITS; i++) {
        energy += expf(logits[i] - largest);
    }
    energy = largest + logf(energy);
@probabilities
    return confidence >= least_confidence && energy >= least_energy@{and_familiar};
}
