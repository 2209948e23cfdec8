#define NBODY nbody_sse2
#define DAXPY daxpy_sse2
#include "testsuites/bench/double.h"
