//! The nodes of the pool, as the command line states them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use concord_treaty::clauses::ClassId;
use concord_treaty::snapshot::Node;
use concord_treaty::treaty::{ClassCapacity, Treaty};
use concord_treaty::units::{Gpus, Labels, NodeName};
use jiff::civil::Date;

/// Nodes and day against which shares are worked out.
#[derive(Debug, clap::Args)]
pub struct NodeArguments {
    /// Number of nodes; with classes one number for each: h100=32,a100=64
    #[arg(long, value_delimiter = ',', value_name = "N|CLASS=N", conflicts_with = "node_file")]
    pub nodes: Vec<String>,
    /// GPUs of each of these nodes
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub gpus_per_node: u32,
    /// CSV file of nodes with the columns name, gpus and labels (a=b;c=d)
    #[arg(long, value_name = "FILE")]
    pub node_file: Option<PathBuf>,
    /// Day on which shares are worked out, YYYY-MM-DD; today if not given, and for a trace the treaty's first day
    #[arg(long, value_name = "DAY")]
    pub on: Option<Date>,
}

/// Columns of a node file.
const COLUMNS: &str = "name,gpus,labels";
/// The largest node that there is by far.
const GPUS_MOST: Gpus = 1_024;

impl NodeArguments {
    /// Whether any nodes were stated.
    pub fn stated(&self) -> bool {
        !self.nodes.is_empty() || self.node_file.is_some()
    }

    /// The day that counts.
    pub fn day(&self) -> Date {
        self.on.unwrap_or_else(|| jiff::Zoned::now().date())
    }

    /// Capacity by class of that treaty.
    ///
    /// # Errors
    /// When the nodes do not fit the treaty's classes, or the file cannot be read.
    pub fn capacity(&self, treaty: &Treaty) -> Result<Vec<ClassCapacity>> {
        let Some(file) = &self.node_file else {
            return self.nodes.iter().map(|text| self.one(text, treaty)).collect();
        };
        let mut counts: BTreeMap<(Option<ClassId>, Gpus), u32> = BTreeMap::new();
        for node in from_file(file, treaty)? {
            *counts.entry((treaty.class_of(&node), node.gpus)).or_default() += 1;
        }
        let capacity = |((class, gpus_per_node), nodes)| ClassCapacity { class, nodes, gpus_per_node };
        Ok(counts.into_iter().map(capacity).collect())
    }

    /// The nodes themselves, at most `most`, sorted by name: those of the file with their labels, or nodes with the labels
    /// of their class and no others.
    ///
    /// # Errors
    /// As for [`Self::capacity`], and for more nodes than that.
    pub fn all_nodes(&self, treaty: &Treaty, most: u64) -> Result<Vec<Node>> {
        let mut capacity = self.capacity(treaty)?;
        let count: u64 = capacity.iter().map(|c| u64::from(c.nodes)).sum();
        ensure!((1..=most).contains(&count), "{count} nodes: state 1 to {most}");
        if let Some(file) = &self.node_file {
            return from_file(file, treaty);
        }
        capacity.sort_by_key(|c| c.class);
        let of_class = |c: &ClassCapacity| {
            let class = c.class.and_then(|class| treaty.classes().get(usize::from(class.0)));
            let labels = class.map_or_else(Labels::default, |class| Labels::from(class.node_labels.clone()));
            std::iter::repeat_n((c.gpus_per_node, labels), c.nodes as usize)
        };
        let node = |(index, (gpus, labels)): (usize, (Gpus, Labels))| Node {
            name: NodeName::from(format!("{index:06}").as_str()),
            gpus,
            schedulable: true,
            labels,
        };
        Ok(capacity.iter().flat_map(of_class).enumerate().map(node).collect())
    }

    fn one(&self, text: &str, treaty: &Treaty) -> Result<ClassCapacity> {
        let names = || treaty.classes().iter().map(|c| format!("{}=N", c.name)).collect::<Vec<_>>().join(",");
        let (class, number) = match text.split_once('=') {
            None => {
                ensure!(treaty.classes().len() <= 1, "the treaty has classes: write --nodes {}", names());
                ((!treaty.classes().is_empty()).then_some(ClassId(0)), text)
            }
            Some((name, number)) => {
                let Some(class) = treaty.class_id(name) else {
                    bail!("the treaty has no class {name:?}; its classes: [{}]", names());
                };
                (Some(class), number)
            }
        };
        let nodes = number.parse().with_context(|| format!("{number:?} is not a number of nodes"))?;
        Ok(ClassCapacity { class, nodes, gpus_per_node: self.gpus_per_node })
    }
}

/// Nodes of a file, sorted by name.
fn from_file(file: &Path, treaty: &Treaty) -> Result<Vec<Node>> {
    let shown = file.display();
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_path(file)
        .with_context(|| format!("cannot read {shown}"))?;
    let header = reader.headers().with_context(|| format!("{shown}:1: cannot read the header"))?.clone();
    let column = |name: &str| header.iter().position(|found| found == name);
    let (Some(name), Some(gpus)) = (column("name"), column("gpus")) else {
        let found: Vec<&str> = header.iter().collect();
        bail!("{shown}:1: found the columns {}; begin the file with the line {COLUMNS}", found.join(", "));
    };
    let labels = column("labels");
    let mut nodes: Vec<Node> = Vec::new();
    let mut lines: BTreeMap<NodeName, u64> = BTreeMap::new();
    for row in reader.records() {
        let row = row.with_context(|| format!("{shown}: cannot read a line"))?;
        let line = row.position().map_or(0, csv::Position::line);
        let text = |column: usize| row.get(column).unwrap_or("");
        let node = node_of(text(name), text(gpus), labels.map_or("", text))
            .map_err(|fault| anyhow::anyhow!("{shown}:{line}: {fault}"))?;
        if treaty.class_of(&node).is_none() && !treaty.classes().is_empty() {
            let classes: Vec<String> = treaty.classes().iter().map(|c| written(&c.node_labels)).collect();
            bail!(
                "{shown}:{line}: labels: node {:?} is of no class of the treaty; it needs {}",
                text(name),
                classes.join(" or ")
            );
        }
        if let Some(first) = lines.insert(node.name.clone(), line) {
            bail!(
                "{shown}:{line}: name: {:?} stands already on line {first}; name each node once",
                text(name)
            );
        }
        nodes.push(node);
    }
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(nodes)
}

fn node_of(name: &str, gpus: &str, labels: &str) -> Result<Node, String> {
    if name.is_empty() {
        return Err("name: is empty; give each node a name".to_owned());
    }
    let number = gpus.parse().ok().filter(|gpus| (1..=GPUS_MOST).contains(gpus));
    let number = number.ok_or_else(|| {
        format!("gpus: {gpus:?} is not a whole number from 1 to {GPUS_MOST}; write the GPUs of the node")
    })?;
    let labels = labels_of(labels).map_err(|fault| format!("labels: {fault}"))?;
    Ok(Node { name: NodeName::from(name), gpus: number, schedulable: true, labels })
}

/// Labels as they stand in a column: `a=b;c=d`.
///
/// # Errors
/// What is wrong, and how to write it.
pub fn labels_of(text: &str) -> Result<Labels, String> {
    let mut labels = BTreeMap::new();
    for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let Some((key, value)) = pair.split_once('=').filter(|(key, _)| !key.trim().is_empty()) else {
            return Err(format!("{pair:?} is no label; write KEY=VALUE;KEY=VALUE"));
        };
        if labels.insert(key.trim().to_owned(), value.trim().to_owned()).is_some() {
            return Err(format!("{key:?} stands twice; keep one"));
        }
    }
    Ok(Labels::from(labels))
}

/// Labels as people write them.
pub fn written<'l>(labels: impl IntoIterator<Item = (&'l String, &'l String)>) -> String {
    labels.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(";")
}
