//! Nodes and pods in the tables of the openb traces (Alibaba cluster-trace-gpu-v2023), plain or gzipped. Only reading
//! is here; a row that cannot be used ends it, with the file, the line, the field and what to write.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use concord_treaty::packing::{GPU_MILLI, ModelId, Models, NODE_GPUS_AT_MOST, NodeState, Shape};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Numbers for the names of models, in the order of their first appearance.
#[derive(Debug, Default)]
pub struct ModelNames(BTreeMap<String, ModelId>);

#[derive(Debug, Deserialize)]
struct NodeRow {
    cpu_milli: u64,
    memory_mib: u64,
    gpu: usize,
    model: String,
}

#[derive(Debug, Deserialize)]
struct PodRow {
    cpu_milli: u64,
    memory_mib: u64,
    num_gpu: u32,
    gpu_milli: u32,
    #[serde(default)]
    gpu_spec: String,
}

impl ModelNames {
    fn number(&mut self, name: &str) -> Result<ModelId> {
        if let Some(known) = self.0.get(name) {
            return Ok(*known);
        }
        let model = ModelId::new(self.0.len()).ok_or_else(|| anyhow!("more than 64 GPU models"))?;
        self.0.insert(name.to_owned(), model);
        Ok(model)
    }

    /// The models of a field like `V100M16|V100M32`; an empty one allows all.
    fn allowed(&mut self, field: &str) -> Result<Models> {
        let names: Vec<_> = field.split('|').map(str::trim).filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            return Ok(Models::ANY);
        }
        let models: Result<Vec<_>> = names.into_iter().map(|name| self.number(name)).collect();
        Ok(Models::only(&models?))
    }
}

/// The free room of empty nodes, in the order of the file. Nodes without GPUs are read too: pods without GPUs use them.
///
/// # Errors
/// When the file cannot be read, is empty, or has a row that is not a node.
pub fn read_nodes(path: &Path, models: &mut ModelNames) -> Result<Vec<NodeState>> {
    read(path, |row: NodeRow| {
        let model = models.number(&row.model).context("field model")?;
        // One more than allowed is enough to be refused, and a typing error must not fill the memory.
        let free = vec![GPU_MILLI; row.gpu.min(NODE_GPUS_AT_MOST + 1)];
        NodeState::new(row.cpu_milli, row.memory_mib, model, &free).context("field gpu")
    })
}

/// What the pods ask for, in the order of the file.
///
/// # Errors
/// When the file cannot be read, is empty, or has a row that is not a pod.
pub fn read_pods(path: &Path, models: &mut ModelNames) -> Result<Vec<Shape>> {
    read(path, |row: PodRow| {
        let allowed = models.allowed(&row.gpu_spec).context("field gpu_spec")?;
        Shape::new(row.cpu_milli, row.memory_mib, row.num_gpu, row.gpu_milli, allowed)
            .context("fields num_gpu, gpu_milli")
    })
}

fn read<Row: DeserializeOwned, Item>(
    path: &Path,
    mut make: impl FnMut(Row) -> Result<Item>,
) -> Result<Vec<Item>> {
    let shown = path.display();
    let file =
        File::open(path).with_context(|| format!("{shown}: cannot open; give a CSV file or a .gz of one"))?;
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let bytes: Box<dyn Read> =
        if packed { Box::new(flate2::read::GzDecoder::new(file)) } else { Box::new(file) };
    let mut reader = csv::Reader::from_reader(bytes);
    let headers = reader.headers().with_context(|| format!("{shown}: cannot read the first line"))?.clone();
    let mut items = Vec::new();
    for record in reader.records() {
        let record = record.with_context(|| format!("{shown}: not a CSV table"))?;
        let line = record.position().map_or(0, csv::Position::line);
        let row = record.deserialize(Some(&headers)).map_err(|error| explain(&error, &headers));
        items.push(row.and_then(&mut make).with_context(|| format!("{shown}, line {line}"))?);
    }
    if items.is_empty() {
        bail!(
            "{shown}: no rows; give one row for each node or pod, under a line with the names of the fields"
        );
    }
    Ok(items)
}

/// The field by its name: the library knows it by its number.
fn explain(error: &csv::Error, headers: &csv::StringRecord) -> anyhow::Error {
    let csv::ErrorKind::Deserialize { err, .. } = error.kind() else { return anyhow!("{error}") };
    match err.field().and_then(|field| headers.get(usize::try_from(field).ok()?)) {
        Some(name) => anyhow!("field {name}: {}; write a whole number that is not negative", err.kind()),
        None => anyhow!("{}; add the field to the first line and to this one", err.kind()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn complaint(text: &str) -> String {
        let file = file(text);
        format!("{:#}", read_pods(file.path(), &mut ModelNames::default()).unwrap_err())
    }

    #[test]
    fn a_row_becomes_a_shape() {
        let file = file(
            "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\na,500,64,1,320,T4|P100\nb,1,2,0,0,\n",
        );
        let mut models = ModelNames::default();
        let pods = read_pods(file.path(), &mut models).unwrap();
        let (t4, p100) = (models.number("T4").unwrap(), models.number("P100").unwrap());
        assert_eq!(pods[0], Shape::new(500, 64, 1, 320, Models::only(&[t4, p100])).unwrap());
        assert!(!pods[0].models().contains(models.number("A10").unwrap()));
        assert_eq!(pods[1], Shape::new(1, 2, 0, 0, Models::ANY).unwrap());
    }

    #[test]
    fn complaints_name_line_field_and_fix() {
        let head = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\n";
        let text = complaint(&format!("{head}a,1,1,1,1000\nb,much,1,1,1000\n"));
        assert!(text.contains("line 3: field cpu_milli") && text.contains("whole number"), "{text}");
        let text = complaint(&format!("{head}a,1,1,2,500\n"));
        assert!(
            text.contains("line 2: fields num_gpu, gpu_milli") && text.contains("must be whole"),
            "{text}"
        );
        let text = complaint("name,cpu_milli,memory_mib,num_gpu\na,1,1,1\n");
        assert!(text.contains("gpu_milli") && text.contains("add the field"), "{text}");
        assert!(complaint(head).contains("no rows"));
    }

    #[test]
    fn a_node_with_too_many_gpus_is_refused() {
        let file = file("sn,cpu_milli,memory_mib,gpu,model\na,1,1,16,T4\nb,1,1,999999999999999,T4\n");
        let error = read_nodes(file.path(), &mut ModelNames::default()).unwrap_err();
        assert!(format!("{error:#}").contains("line 3: field gpu"), "{error:#}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_nodes(Path::new("/nowhere/nodes.csv"), &mut ModelNames::default()).unwrap_err();
        assert!(format!("{error:#}").contains("/nowhere/nodes.csv: cannot open"));
    }
}
