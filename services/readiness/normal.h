// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace assay::readiness {

// P(X <= x) of a standard normal X, exact to about 1e-12. Uses addition, multiplication and division alone, so that one
// binary gives the same bits on every processor: the C library picks other code for exp and erf by processor.
double NormalCdf(double x);

// Half the width of the interval that holds 90 % of a standard normal.
inline constexpr double kInterval90 = 1.6448536269514722;

// `x` to nine decimals; what every number of a result goes through, so that last bits never show.
double Round9(double x);

}  // namespace assay::readiness
