/* What a bare Cortex-M needs before main, and how it talks to the emulator (semihosting). */
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

extern uint32_t data_from[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];
int main(void);

static int host(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void _exit(int code)
{
    const uint32_t stop[2] = {0x20026, (uint32_t)code};
    host(code == 0 ? 0x18 : 0x20, code == 0 ? (const void *)0x20026 : (const void *)stop);
    for (;;) {
    }
}

int _write(int file, const char *text, int size)
{
    int i;
    (void)file;
    for (i = 0; i < size; i++) {
        host(0x03, text + i);
    }
    return size;
}

int _read(int file, char *text, int size) { (void)file; (void)text; (void)size; return 0; }
int _close(int file) { (void)file; return -1; }
int _lseek(int file, int offset, int from) { (void)file; (void)offset; (void)from; return 0; }
int _isatty(int file) { (void)file; return 1; }
int _fstat(int file, struct stat *info) { (void)file; info->st_mode = S_IFCHR; return 0; }
int _getpid(void) { return 1; }
int _kill(int process, int signal) { (void)process; (void)signal; return -1; }

extern char heap_start[], heap_end[];

void *_sbrk(ptrdiff_t size)
{
    static char *top = heap_start;
    char *const old = top;
    if (size > heap_end - top) {
        return (void *)-1;
    }
    top += size;
    return old;
}

static void start(void)
{
    uint32_t *from = data_from, *to;
    for (to = data_start; to < data_end;) {
        *to++ = *from++;
    }
    for (to = bss_start; to < bss_end;) {
        *to++ = 0;
    }
#if defined(__ARM_FP)
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* switch the floating-point unit on */
    __asm__ volatile("dsb\n isb");
#endif
    _exit(main());
}

static void fault(void) { _exit(3); }

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    stack_top, start, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, fault,
};
