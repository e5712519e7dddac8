// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace assay::cli {

// The whole look of the page. System fonts; both colour schemes; prints with everything open.
inline constexpr char kStyleSheet[] = R"css(
:root{--ink:#1d2330;--paper:#fff;--quiet:#667085;--line:#d5dae3;--accent:#2457c5;--good:#1a7f4b;--bad:#b3261e;--open:#9a6700;--card:#f6f8fb}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--paper:#14171d;--quiet:#98a2b3;--line:#323844;--accent:#7aa2ff;--good:#4cc38a;--bad:#ff8a80;--open:#e2b340;--card:#1c2129}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:62rem;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{margin:.1rem 0;font-size:2rem}h2{margin:2.2rem 0 .6rem;font-size:1.2rem;border-bottom:1px solid var(--line);padding-bottom:.25rem}
p{margin:.35rem 0}.quiet{color:var(--quiet)}code,pre{font:13px/1.45 ui-monospace,monospace}
pre{background:var(--card);padding:.6rem .8rem;overflow-x:auto;border-radius:.4rem}
.place{color:var(--accent);white-space:nowrap}.n{text-align:right;font-variant-numeric:tabular-nums}
.status{display:inline-block;padding:.15rem .7rem;border-radius:1rem;font-weight:600;color:#fff;background:var(--open)}
.status.ready{background:var(--good)}.status.not-yet{background:var(--bad)}
.claim{border-left:4px solid var(--line);background:var(--card);padding:.5rem .9rem;margin:.6rem 0;border-radius:0 .4rem .4rem 0}
.claim.same{border-color:var(--good)}.claim.other{border-color:var(--bad)}.claim.open{border-color:var(--open)}
.verdict{font-weight:600}.claim.same .verdict{color:var(--good)}.claim.other .verdict{color:var(--bad)}
.tag{font-size:12px;border:1px solid var(--line);border-radius:.3rem;padding:0 .35rem;color:var(--quiet);white-space:nowrap}
table{border-collapse:collapse;width:100%;margin:.4rem 0}th{font-weight:600;text-align:left;color:var(--quiet);font-size:13px}
td,th{padding:.25rem .5rem;border-bottom:1px solid var(--line);vertical-align:top}
details{margin:.3rem 0}summary{cursor:pointer}
.area summary{display:grid;grid-template-columns:minmax(10rem,1.2fr) 20rem 3rem 6rem;gap:.6rem;align-items:center}
.competency td{font-weight:600}.behaviour td:first-child{padding-left:1.6rem}
.finding.s3 summary .tag{border-color:var(--bad);color:var(--bad)}.finding.s2 summary .tag{border-color:var(--open);color:var(--open)}
svg{max-width:100%}.interval{width:20rem;height:18px}.tick{stroke:var(--line)}.range{stroke:var(--accent);stroke-width:3}
.range.unseen{stroke:var(--quiet);stroke-width:1.5;stroke-dasharray:3 4}circle{fill:var(--accent)}
.timeline{width:100%}.timeline text,.histogram text{font:9px system-ui,sans-serif;fill:var(--quiet)}.histogram{width:240px}.histogram .end{text-anchor:end}
.ok{fill:var(--accent);opacity:.75}.failed{fill:var(--bad)}.slowest{fill:none;stroke:var(--open);stroke-width:1.2}.phase{stroke:var(--quiet);stroke-dasharray:2 3}
.legend{font-size:12px;color:var(--quiet)}blockquote{margin:.2rem 0 .2rem .8rem;color:var(--quiet)}
@media(max-width:48rem){.area summary{grid-template-columns:1fr 3rem}.area summary .interval{grid-row:2;grid-column:1/3}}
@media print{body{max-width:none}details>*{display:block}}
)css";

}  // namespace assay::cli
