#include "coditect.h"
