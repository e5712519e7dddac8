// Does an expression hold what a client sent?
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_REQUEST_DATA_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_REQUEST_DATA_H_

#include <map>
#include <optional>

#include "plugins/code_analysis/model/application.h"
#include "plugins/code_analysis/model/values.h"

namespace assay::code_analysis {

class RequestFlow {
 public:
  RequestFlow(Values& values, const Application& application);

  // Over at most two hops: a variable, or a parameter of a function.
  std::optional<RequestData> In(Node expression);

 private:
  bool IsRequest(Node object);
  std::optional<RequestData> Find(Node expression, uint32_t hops, int depth);
  std::optional<RequestData> FindInLeaf(Node leaf, uint32_t hops, int depth);

  Values& values_;
  // Declarations of parameters that are requests: (tree, leaf).
  std::map<std::pair<const SyntaxTree*, uint32_t>, bool> requests_;
  int steps_ = 0;
};

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_REQUEST_DATA_H_
