/* @what: one function that classifies. Made by edgesoft @version from
 * @origin. Do not edit: convert again.
 *
@takes
 *
 * @promise Check it: make check
 *
 * Flash for the constants: @flash bytes. RAM: @ram bytes, static, besides input and output. @multiplications multiplications.
 *@wide The work lies in static memory: call from one thread at a time.
 */
#ifndef EDGESOFT_@{NAME}_H
#define EDGESOFT_@{NAME}_H

#include <stdint.h>

#define @{NAME}_INPUTS @inputs
#define @{NAME}_LOGITS @logits
#define @{NAME}_CLASSES @classes
#define @{NAME}_FLASH_BYTES @{flash}L
#define @{NAME}_RAM_BYTES @{ram}L

#ifdef __cplusplus
extern "C" {
#endif

/* The class names, in UTF-8. */
extern const char *const @{name}_labels[@{NAME}_CLASSES];

/* Classify one input: fills the logits, and returns the index of the label@refuses. */
int @{name}_classify(const @type @argument[@{NAME}_INPUTS], float logits[@{NAME}_LOGITS]);

/* Fill in the probability of each class. Returns 1, or 0 where the answer is to be given as unknown@{unlike}.
 * It is in a file of its own, because it needs expf and logf. */
int @{name}_probabilities(@{given}const float logits[@{NAME}_LOGITS], float probabilities[@{NAME}_CLASSES]);
@normaliser@weekday
#ifdef __cplusplus
}
#endif

#endif
