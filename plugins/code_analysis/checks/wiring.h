// The checks of family A that look at settings; their table is in wiring.cc.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_WIRING_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_WIRING_H_

#include "plugins/code_analysis/checks/check.h"

namespace assay::code_analysis {

void CheckTrustProxy(const Model& model, Reporter& reporter);
void CheckHeaders(const Model& model, Reporter& reporter);
void CheckCors(const Model& model, Reporter& reporter);
void CheckBodySize(const Model& model, Reporter& reporter);

// Bytes of "10mb", "512kb", 1048576; nullopt for what is no size.
std::optional<double> BytesOf(std::string_view text);

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_WIRING_H_
