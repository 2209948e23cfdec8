#define NBODY nbody_x87
#define DAXPY daxpy_x87
#include "testsuites/bench/double.h"
