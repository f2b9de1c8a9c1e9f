//! A statement as a page of its own, without anything from elsewhere, that can be printed.

use std::collections::BTreeMap;
use std::fmt::Write;

use concord_audit::statement::{Line, Sums};

use super::{Told, end, text};
use crate::commands::table::{count, hours};

const STYLE: &str = "
body { font: 11pt/1.45 system-ui, sans-serif; color: #111; background: #fff; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
p { overflow-wrap: anywhere }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100% }
caption { text-align: left; font-weight: 600; padding: .5rem 0 }
th, td { text-align: right; padding: .2rem .6rem; border-bottom: 1px solid #bbb; vertical-align: top }
th:first-child, td:first-child, .t { text-align: left; overflow-wrap: anywhere }
tfoot { font-weight: 600 }
@media print {
  @page { size: A4; margin: 18mm }
  body { font-size: 9pt; margin: 0; padding: 0; max-width: none }
  .wide { overflow: visible } thead { display: table-header-group } tr { break-inside: avoid } h2 { break-after: avoid }
}
";

/// The page.
pub fn render(told: &Told) -> String {
    let statement = &told.statement;
    let title = escaped(&text::title(told));
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<h1>{title}</h1>\n<p>{}</p>\n",
        escaped(&text::source(told))
    );
    sums(&mut out, "By month", "Month", &statement.months, Some(&statement.total));
    if statement.project.is_none() && !statement.projects.is_empty() {
        sums(&mut out, "By project", "Project", &statement.projects, None);
    }
    out.push_str("<ul>\n");
    for fact in text::facts(told) {
        let _ = writeln!(out, "<li>{}</li>", escaped(&fact));
    }
    out.push_str("</ul>\n");
    if !statement.missed_floors.is_empty() {
        out.push_str("<h2>Starts that were too late</h2>\n<ul>\n");
        for missed in &statement.missed_floors {
            let _ = writeln!(out, "<li>{}</li>", escaped(&text::late(missed)));
        }
        out.push_str("</ul>\n");
    }
    lines(&mut out, &statement.lines);
    out.push_str("</body>\n</html>\n");
    out
}

fn sums(out: &mut String, caption: &str, first: &str, rows: &BTreeMap<String, Sums>, total: Option<&Sums>) {
    let titles = ["Runs", "GPU-hours used", "Borrowed", "Stopped runs", "Lost by reclaims"];
    let titles: String = titles.iter().map(|title| format!("<th scope=\"col\">{title}</th>")).collect();
    let _ = writeln!(
        out,
        "<div class=\"wide\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\"><table>\n<caption>{caption}</caption>\n<thead><tr><th scope=\"col\">{first}</th>{titles}</tr></thead>\n<tbody>"
    );
    for (name, sums) in rows {
        row(out, name, sums);
    }
    out.push_str("</tbody>\n");
    if let Some(total) = total {
        out.push_str("<tfoot>\n");
        row(out, "All", total);
        out.push_str("</tfoot>\n");
    }
    out.push_str("</table></div>\n");
}

fn row(out: &mut String, name: &str, sums: &Sums) {
    let Sums { runs, used_gpu_millis, borrowed_gpu_millis, reclaimed_runs, lost_gpu_millis } = *sums;
    let [used, borrowed, lost] = [used_gpu_millis, borrowed_gpu_millis, lost_gpu_millis].map(hours);
    let cells: String = [count(runs), used, borrowed, count(reclaimed_runs), lost]
        .iter()
        .map(|cell| format!("<td>{cell}</td>"))
        .collect();
    let _ = writeln!(out, "<tr><th scope=\"row\" class=\"t\">{}</th>{cells}</tr>", escaped(name));
}

fn lines(out: &mut String, lines: &[Line]) {
    out.push_str(
        "<div class=\"wide\" role=\"region\" aria-label=\"Run by run\" tabindex=\"0\"><table>\n<caption>Run by run</caption>\n<thead><tr><th scope=\"col\">Claim, run</th>\
         <th scope=\"col\" class=\"t\">Project</th><th scope=\"col\">GPUs</th><th scope=\"col\">From</th><th scope=\"col\">Until</th>\
         <th scope=\"col\">GPU-hours</th><th scope=\"col\" class=\"t\">By clause</th><th scope=\"col\" class=\"t\">End</th></tr></thead>\n<tbody>\n",
    );
    for line in lines {
        let borrowed = if line.borrowed { ", borrowed" } else { "" };
        let class = line.class.as_deref().map_or_else(String::new, |class| format!(" {}", escaped(class)));
        let _ = writeln!(
            out,
            "<tr><td>{}, {}</td><td class=\"t\">{}</td><td>{}{class}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"t\">{}{borrowed}</td><td class=\"t\">{}</td></tr>",
            escaped(&line.claim),
            line.run,
            escaped(&line.project),
            line.gpus,
            line.from,
            line.until,
            hours(line.gpu_millis),
            escaped(&line.clause),
            escaped(&end(line)),
        );
    }
    out.push_str("</tbody>\n</table></div>\n");
}

/// Text that is no markup, whatever the record says.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
