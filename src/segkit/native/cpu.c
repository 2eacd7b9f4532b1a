/* What this processor can do, asked once by the loader. */
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

/* Changes whenever an argument list of a kernel does; see ABI in __init__.py. */
EXPORT int segkit_abi(void) { return 2; }

/* The widest vector variant that runs here, in floats. */
EXPORT int segkit_lanes(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
        return 16;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return 8;
#endif
    return 4;
}
