/** The style of the report: dark on white, and A4 without cut tables. */
export const style = `
:root { color-scheme: light; font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; color: #1b1b1b; background: #fff }
body { margin: 0 }
main { max-width: 1120px; margin: 0 auto; padding: 24px 28px 48px }
h1 { font-size: 28px; margin: 0 0 4px }
h2 { font-size: 20px; margin: 36px 0 8px; border-bottom: 2px solid #1b1b1b; padding-bottom: 2px }
h2.run { font-size: 24px; margin-top: 48px }
h3 { font-size: 16px; margin: 20px 0 4px }
h4 { font-size: 14px; margin: 16px 0 6px }
small { font-weight: 400; color: #555; font-size: 0.83em }
p { margin: 6px 0 }
.facts, .note { color: #555; font-size: 0.87em }
.verdict { font-size: 16px; font-weight: 600 }
.fine { color: #00604a }
.warnings { border-left: 5px solid #d55e00; background: #fdf3ec; padding: 8px 14px; margin: 12px 0 }
.warnings ul { margin: 4px 0; padding-left: 20px }
.wide { overflow-x: auto }
table { border-collapse: collapse; margin: 8px 0; font-variant-numeric: tabular-nums; font-size: 13.5px }
th, td { padding: 4px 12px; text-align: right; border-bottom: 1px solid #ddd; vertical-align: top; font-weight: 400 }
td:not(.left), th[scope="row"] { white-space: nowrap }
thead th { border-bottom: 1.5px solid #1b1b1b; font-weight: 600; vertical-align: bottom }
th[scope="row"], thead th:first-child, .left { text-align: left }
td.left { overflow-wrap: anywhere }
tr.own { background: #e8f1f8; font-weight: 600 }
tr.own th, tr.own td { font-weight: 600 }
tr.own small { font-weight: 400 }
.hit { background: #e8f1f8; font-weight: 600 }
.mark { color: #8a3d00; white-space: nowrap }
.charts { display: grid; grid-template-columns: repeat(3, 1fr); gap: 12px }
.charts svg { width: 100%; height: auto }
.legend span { margin-right: 16px; font-size: 13px }
.scatter svg { width: 100%; max-width: 440px; height: auto }
.worst { display: grid; grid-template-columns: repeat(4, 1fr); gap: 10px }
figure { margin: 0; border: 1px solid #ddd; padding: 6px; font-size: 12px; break-inside: avoid; min-width: 0 }
figure svg { width: 100%; height: auto }
.field { overflow-wrap: anywhere; color: #555 }
pre { background: #f5f5f5; padding: 10px 14px; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12.5px }
code { background: #f0f0f0; padding: 0 3px; font-size: 12.5px; white-space: pre }
footer { margin-top: 40px; color: #555; font-size: 12.5px }
@page { size: A4; margin: 14mm; @bottom-right { content: counter(page) " / " counter(pages); font-size: 9px; color: #555 } }
@media print {
  :root { font-size: 12px }
  main { max-width: none; padding: 0 }
  table, .charts, .scatter { font-size: 10.5px; break-inside: avoid }
  th, td { padding: 3px 7px }
  .verdict { font-size: 13px }
  .legend span { font-size: 11px }
  figure { font-size: 10px }
  figure svg { max-height: 100px }
  .scatter svg { max-width: 360px }
  .charts svg { font-size: 14px }
  .verdict, .legend, li { break-inside: avoid }
  .wide { overflow: visible }
  p:has(+ .wide), .legend { break-after: avoid }
  table:has(tr:nth-child(30)) { break-inside: auto }
  tr, svg { break-inside: avoid }
  h2, h3, h4, .verdict { break-after: avoid }
  .warnings, tr.own, pre, code { print-color-adjust: exact; -webkit-print-color-adjust: exact }
  .worst { grid-template-columns: repeat(3, 1fr) }
}
`;
