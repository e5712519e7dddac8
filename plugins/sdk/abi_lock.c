/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/sdk/assay_abi.lock.h"
