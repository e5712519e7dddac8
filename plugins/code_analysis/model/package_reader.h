// Reads package.json, lockfiles and the files that name a Node version.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_PACKAGE_READER_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_PACKAGE_READER_H_

#include <vector>

#include "plugins/code_analysis/model/package.h"

namespace assay::code_analysis {

// `files` sorted by path; both results point into them.
PackageFacts ReadPackages(const std::vector<SourceFile>& files);
VersionFacts ReadVersions(const std::vector<SourceFile>& files, const PackageFacts& package);

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_PACKAGE_READER_H_
