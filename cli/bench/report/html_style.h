// The style sheet of the HTML report. For html_report.cpp only.
#pragma once

#include <string_view>

namespace mrun::bench {

inline constexpr std::string_view k_html_style = R"css(
:root{color-scheme:light dark;--bg:#fff;--card:#f6f7f9;--ink:#1a1d21;--soft:#5a6470;--line:#d9dee4;--good:#0a7a3d;--bad:#c02626;--warn:#8a5a00;
--s1:#1f6fd6;--s2:#d1620a;--s3:#7a3fb8;--s4:#0d8577;--base:#7b8794;
--p-queue:#9aa5b1;--p-fetch:#4e79a7;--p-spawn:#f28e2b;--p-import:#e15759;--p-map:#76b7b2;--p-build:#59a14f;--p-copy:#edc948;--p-warmup:#b07aa1;--p-predict:#1f6fd6;--p-other:#c3b09f;--p-client:#5a6470}
@media (prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1d2126;--ink:#e6e9ec;--soft:#a2acb7;--line:#343b43;--good:#54c98a;--bad:#ff7b72;--warn:#e5b567;
--s1:#6cb0ff;--s2:#ffa45c;--s3:#c79bf2;--s4:#4fd0c0;--base:#93a0ad;--p-queue:#7d8896;--p-fetch:#7fa6cf;--p-copy:#e0c15a;--p-predict:#6cb0ff;--p-other:#9d8f82;--p-client:#a2acb7}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:break-word}
main{max-width:60rem;margin:0 auto;padding:1.25rem 1rem 3rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem}
h2{font-size:1.15rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line);padding-bottom:.25rem}
p{margin:.4rem 0}.soft{color:var(--soft)}
.badge{display:inline-block;padding:.05rem .6rem;border-radius:1rem;border:2px solid currentColor;font-weight:700;font-size:.9rem;vertical-align:middle}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.6rem;margin:1rem 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.6rem .75rem}
.card b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}.card span{color:var(--soft);font-size:.85rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.92rem}
th,td{text-align:right;padding:.3rem .55rem;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:600}
th:first-child,td:first-child{text-align:left}
td.long,th.long{text-align:left;white-space:normal;min-width:12rem}
.facts td:first-child{color:var(--soft);width:9rem}.facts td{text-align:left;white-space:normal;overflow-wrap:anywhere}
.plot{display:block;width:100%;max-width:38rem;height:auto;margin:.5rem 0}
.t{font:13px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;fill:var(--soft)}
.label{fill:var(--ink)}.guide-text{fill:var(--bad)}
.grid{stroke:var(--line);stroke-width:1}.axis{stroke:var(--soft);stroke-width:1}
.guide{stroke:var(--bad);stroke-width:1.5;stroke-dasharray:5 4}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.line.s1{stroke:var(--s1)}.line.s2{stroke:var(--s2)}.line.s3{stroke:var(--s3)}.line.s4{stroke:var(--s4)}.line.base{stroke:var(--base);stroke-dasharray:6 3}
.dot.s1{fill:var(--s1)}.dot.s2{fill:var(--s2)}.dot.s3{fill:var(--s3)}.dot.s4{fill:var(--s4)}.dot.base{fill:var(--base)}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1rem;margin:.4rem 0 0;font-size:.88rem;color:var(--soft)}
.key{display:inline-flex;align-items:center;gap:.4rem}.key i{width:.85rem;height:.85rem;border-radius:.2rem;flex:none}
i.s1{background:var(--s1)}i.s2{background:var(--s2)}i.s3{background:var(--s3)}i.s4{background:var(--s4)}i.base{background:var(--base)}
.p-queue{fill:var(--p-queue)}.p-fetch{fill:var(--p-fetch)}.p-spawn{fill:var(--p-spawn)}.p-import{fill:var(--p-import)}.p-map{fill:var(--p-map)}.p-build{fill:var(--p-build)}.p-copy{fill:var(--p-copy)}.p-warmup{fill:var(--p-warmup)}.p-predict{fill:var(--p-predict)}.p-other{fill:var(--p-other)}.p-client{fill:var(--p-client)}
i.p-queue{background:var(--p-queue)}i.p-fetch{background:var(--p-fetch)}i.p-spawn{background:var(--p-spawn)}i.p-import{background:var(--p-import)}i.p-map{background:var(--p-map)}i.p-build{background:var(--p-build)}i.p-copy{background:var(--p-copy)}i.p-warmup{background:var(--p-warmup)}i.p-predict{background:var(--p-predict)}i.p-other{background:var(--p-other)}i.p-client{background:var(--p-client)}
ul{padding-left:1.2rem;margin:.4rem 0}
@media print{:root{--bg:#fff;--card:#fff;--ink:#000;--soft:#333;--line:#bbb;--good:#0a7a3d;--bad:#b00000;--warn:#6b4600;--s1:#1f6fd6;--s2:#d1620a;--s3:#7a3fb8;--s4:#0d8577;--base:#666}
body{font-size:11pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}main{max-width:none;padding:0}h2,p{break-after:avoid}.plot,.card,tr{break-inside:avoid}.wide{overflow:visible}}
)css";

} // namespace mrun::bench
