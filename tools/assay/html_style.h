// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace assay::cli {

// The whole look of the page. System fonts; both colour schemes, text at 4.5:1 or more against what is behind it;
// prints on white.
inline constexpr char kStyleSheet[] = R"css(
:root{color-scheme:light dark;--ink:#1b2230;--paper:#fff;--quiet:#566074;--line:#d8dde6;--accent:#1f4fb4;--good:#14693c;--bad:#a92018;--open:#7c5300;--card:#f6f8fb;--fill:#3f6fd1}
@media(prefers-color-scheme:dark){:root{--ink:#e8ebf1;--paper:#13161c;--quiet:#a3adbf;--line:#333a48;--accent:#8db1ff;--good:#5ed19a;--bad:#ff9a91;--open:#ecc155;--card:#1b2028;--fill:#6f9bf5}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
@media(prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:64rem;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{margin:.1rem 0 .4rem;font-size:2.1rem;line-height:1.15;overflow-wrap:anywhere}
h2{margin:2.6rem 0 .8rem;font-size:1.35rem;border-bottom:2px solid var(--line);padding-bottom:.3rem;scroll-margin-top:3.2rem}
h3{margin:0 0 .35rem;font-size:1rem;line-height:1.4}h4{margin:1.1rem 0 .3rem;font-size:.95rem}
p{margin:.4rem 0;overflow-wrap:anywhere}ul,ol{padding-left:1.3rem;margin:.5rem 0}li{margin:.25rem 0}.plain{list-style:none;padding:0}
a{color:var(--accent)}a:focus-visible,summary:focus-visible,[tabindex]:focus-visible{outline:3px solid var(--fill);outline-offset:2px;border-radius:.2rem}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;background:var(--paper);padding:.4rem .8rem;z-index:2}
nav{position:sticky;top:0;z-index:1;background:var(--paper);border-bottom:1px solid var(--line);padding:.55rem 0;margin-top:1rem;display:flex;gap:.2rem 1rem;overflow-x:auto;font-size:.9rem}
nav a{text-decoration:none;white-space:nowrap}nav a:hover{text-decoration:underline}
.quiet{color:var(--quiet)}.bad{color:var(--bad)}code,pre{font:.84rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
code{overflow-wrap:anywhere}.place{color:var(--accent)}
.code{background:var(--card);border:1px solid var(--line);padding:.6rem .8rem .6rem 0;margin:.5rem 0;overflow-x:auto;border-radius:.4rem;tab-size:2}
.card .code{background:var(--paper)}
.no{display:inline-block;width:3.2rem;padding-right:.9rem;text-align:right;color:var(--quiet);user-select:none}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.answer{font-size:1.05rem}.status{display:inline-block;padding:.2rem .8rem;margin-right:.5rem;border-radius:1rem;font-weight:700;font-size:.95rem;letter-spacing:.02em;color:#fff;background:#7c5300}
.status.ready{background:#14693c}.status.not-yet{background:#a92018}
.card{border:1px solid var(--line);border-left:5px solid var(--line);background:var(--card);padding:.8rem 1rem;margin:.8rem 0;border-radius:.3rem .5rem .5rem .3rem}
.card.same{border-left-color:var(--good)}.card.other{border-left-color:var(--bad)}.card.open{border-left-color:var(--open)}
.verdict{font-weight:700}.card.same .verdict{color:var(--good)}.card.other .verdict{color:var(--bad)}.card.open .verdict{color:var(--open)}
.card .verdict .quiet{font-weight:400}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(14rem,1fr));gap:.8rem}.cards .card{margin:0}.gate h3{text-transform:capitalize}
.tag{display:inline-block;font-size:.78rem;font-weight:600;border:1px solid var(--line);border-radius:.3rem;padding:0 .4rem;color:var(--quiet);white-space:nowrap}
table{border-collapse:collapse;width:100%;margin:.5rem 0;font-size:.93rem}th{font-weight:600;text-align:left;color:var(--quiet);font-size:.85rem}
td,th{padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}caption{text-align:left;color:var(--quiet);padding:.2rem 0}
table.narrow{width:auto}table.narrow td,table.narrow th{padding-right:1.6rem}.scroll{overflow-x:auto}.digest code{font-size:.75rem;color:var(--quiet)}
.area{display:grid;grid-template-columns:minmax(11rem,1.3fr) minmax(12rem,20rem) 2.6rem 5.6rem;gap:.7rem;align-items:center}
.axis-row{padding:0 0 0 1.2rem}.fold{border-bottom:1px solid var(--line)}summary{cursor:pointer;padding:.3rem 0}
summary.area{list-style:none;padding:.5rem 0 .5rem 1.2rem;position:relative}summary.area::-webkit-details-marker{display:none}
summary.area::before{content:"";position:absolute;left:.1rem;top:50%;margin-top:-.3rem;border:.3rem solid transparent;border-left-color:var(--quiet)}
details[open]>summary.area::before{transform:rotate(90deg);left:-.05rem}
.inside{padding:0 0 1rem 1.2rem}.score{display:flex;gap:1rem;align-items:center;flex-wrap:wrap}.behaviours td.id{width:3.4rem;color:var(--quiet)}.criteria{font-size:.82rem;display:block}
svg{display:block;max-width:100%}.interval{width:20rem;height:auto}.tick{stroke:var(--line)}.range{stroke:var(--fill);stroke-width:4;stroke-linecap:round}
.range.unseen{stroke:var(--quiet);stroke-width:1.5;stroke-dasharray:3 4}circle{fill:var(--fill);stroke:var(--paper);stroke-width:1.5}
svg text{font:11px system-ui,sans-serif;fill:var(--quiet)}.timeline{width:100%;min-width:36rem}
.ok{fill:var(--fill)}.failed{fill:var(--bad)}.slowest{fill:none;stroke:var(--open);stroke-width:1.6}.phase{stroke:var(--quiet);stroke-dasharray:2 3}
.percentile{stroke:var(--ink);stroke-dasharray:3 3}.base{stroke:var(--quiet)}
.run{border-top:1px solid var(--line);padding:1rem 0;scroll-margin-top:3rem}.phases{display:grid;grid-template-columns:repeat(auto-fill,minmax(18rem,1fr));gap:1rem 1.6rem;margin-top:.8rem}
figure{margin:0}.histogram{width:100%;max-width:24rem;margin-top:.3rem}
.percentiles{display:flex;gap:1.2rem;margin:.2rem 0}.percentiles dt{font-size:.78rem;color:var(--quiet)}.signal{width:20rem;margin:.4rem 0}.percentiles dd{white-space:nowrap;margin:0;font-weight:600;font-variant-numeric:tabular-nums}
.legend{font-size:.83rem;color:var(--quiet)}.key{display:inline-block;width:.8rem;height:.8rem;margin:0 .15rem -.1rem .6rem;background:var(--fill);border-radius:.15rem}
.key.failed{background:var(--bad)}.key.slowest{background:var(--open);height:.2rem;margin-bottom:.25rem}
.finding{border-top:1px solid var(--line);padding:1rem 0}.finding.s3 .tag:first-child{border-color:var(--bad);color:var(--bad)}.finding.s2 .tag:first-child{border-color:var(--open);color:var(--open)}
.finding.given{opacity:.8}.questions>li{margin:.7rem 0}
.quotes{display:grid;grid-template-columns:repeat(auto-fill,minmax(19rem,1fr));gap:1rem}.quote{background:var(--card);border-radius:.5rem;padding:.9rem 1rem}
blockquote{margin:0 0 .5rem;padding-left:.8rem;border-left:3px solid var(--fill)}figcaption{font-size:.9rem}
@media(max-width:44rem){body{padding:1.2rem 1rem 3rem}h1{font-size:1.7rem}.area{grid-template-columns:1fr 2.4rem 5rem;gap:.2rem .6rem}.area .interval{grid-row:2;grid-column:1/4;width:100%}
.axis-row{display:none}.cards,.quotes,.phases{grid-template-columns:1fr}.no{width:2.4rem;padding-right:.6rem}}
@media print{:root{--ink:#000;--paper:#fff;--quiet:#444;--line:#bbb;--accent:#000;--good:#14693c;--bad:#a92018;--open:#7c5300;--card:#fff;--fill:#3f6fd1}
body{max-width:none;font-size:11pt;padding:0}nav,.skip{display:none}.card,.finding,figure,tr{break-inside:avoid}h2,h3,h4{break-after:avoid}.code,.scroll{overflow:visible;white-space:pre-wrap}
.questions details::details-content{content-visibility:visible;height:auto;block-size:auto}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
)css";

}  // namespace assay::cli
