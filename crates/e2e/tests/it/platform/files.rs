use std::{fs, path::Path};

use serde_json::Value;

use crate::layout::root;

/// A file of the repository.
pub(super) fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The compose file, with its variables at their defaults.
pub(super) fn compose() -> Value {
    composed("docker-compose.yml")
}

/// A compose file, with its variables at their defaults; a default may contain another variable.
pub(super) fn composed(file: &str) -> Value {
    let mut text = read(file);
    let variable = regex::Regex::new(r"\$\{\w+:-([^${}]*(?:\{trace_id\})?)\}").unwrap();
    while variable.is_match(&text) {
        text = variable.replace_all(&text, "$1").into_owned();
    }
    serde_saphyr::from_str(&text).unwrap()
}

/// The paths of all files below a directory.
pub(super) fn below(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap().flatten() {
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The objects of all files of a directory below `k8s`.
pub(crate) fn manifests(folder: &str) -> Vec<Value> {
    let yaml = |file: &String| {
        Path::new(file)
            .extension()
            .is_some_and(|extension| extension == "yaml")
    };
    let files = below(&format!("k8s/{folder}"));
    let objects = files.iter().filter(|file| yaml(file)).flat_map(|file| {
        let objects: Vec<Value> = serde_saphyr::from_multiple(&read(file))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        objects
    });
    objects.collect()
}

/// The pod of an object, if it runs one.
pub(super) fn pod(object: &Value) -> Option<Value> {
    let spec = &object["spec"];
    let template = match object["kind"].as_str()? {
        "Deployment" | "StatefulSet" | "Job" => &spec["template"],
        "CronJob" => &spec["jobTemplate"]["spec"]["template"],
        "PodTemplate" => &object["template"],
        _ => return None,
    };
    Some(template["spec"].clone())
}
