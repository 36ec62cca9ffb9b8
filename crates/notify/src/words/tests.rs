use std::collections::{BTreeMap, BTreeSet};

use fluent_syntax::ast;
use fluent_syntax::parser;

use super::*;

/// What a text asks for: its variables, and for each choice by number the forms that it has.
#[derive(Debug, Default, PartialEq)]
struct Shape {
    variables: BTreeSet<String>,
    forms: Vec<BTreeSet<String>>,
}

fn look_at_pattern(pattern: &ast::Pattern<&str>, shape: &mut Shape) {
    for element in &pattern.elements {
        if let ast::PatternElement::Placeable { expression } = element {
            look_at(expression, shape);
        }
    }
}

fn look_at(expression: &ast::Expression<&str>, shape: &mut Shape) {
    let inline = match expression {
        ast::Expression::Inline(inline) => inline,
        ast::Expression::Select { selector, variants } => {
            let forms = variants.iter().filter_map(|variant| match variant.key {
                ast::VariantKey::Identifier { name } => Some(name.to_owned()),
                ast::VariantKey::NumberLiteral { .. } => None,
            });
            shape.forms.push(forms.collect());
            for variant in variants {
                look_at_pattern(&variant.value, shape);
            }
            selector
        }
    };
    match inline {
        ast::InlineExpression::VariableReference { id } => {
            shape.variables.insert(id.name.to_owned());
        }
        ast::InlineExpression::Placeable { expression } => look_at(expression, shape),
        _ => {}
    }
}

/// Every message and attribute of a language.
fn shapes(language: Language) -> BTreeMap<String, Shape> {
    let resource = parser::parse(language.source())
        .unwrap_or_else(|(_, errors)| panic!("{}: {errors:?}", language.tag()));
    let mut shapes = BTreeMap::new();
    for entry in &resource.body {
        match entry {
            ast::Entry::Message(message) => {
                let id = message.id.name;
                if let Some(pattern) = &message.value {
                    let mut shape = Shape::default();
                    look_at_pattern(pattern, &mut shape);
                    assert!(shapes.insert(id.to_owned(), shape).is_none(), "{id} twice");
                }
                for attribute in &message.attributes {
                    let mut shape = Shape::default();
                    look_at_pattern(&attribute.value, &mut shape);
                    let name = format!("{id}.{}", attribute.id.name);
                    assert!(shapes.insert(name.clone(), shape).is_none(), "{name} twice");
                }
            }
            ast::Entry::Comment(_) | ast::Entry::GroupComment(_) | ast::Entry::ResourceComment(_) => {}
            other => panic!("{}: {other:?}", language.tag()),
        }
    }
    shapes
}

#[test]
fn no_language_lacks_a_text_or_a_variable() {
    let english = shapes(Language::English);
    assert!(english.len() > 60, "{}", english.len());
    for language in Language::ALL {
        let theirs = shapes(language);
        let names = |shapes: &BTreeMap<String, Shape>| shapes.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&theirs), names(&english), "{}", language.tag());
        for (name, shape) in &theirs {
            assert_eq!(
                shape.variables,
                english[name].variables,
                "{name} in {}",
                language.tag()
            );
        }
    }
}

#[test]
fn every_choice_by_number_has_all_plural_forms_of_its_language() {
    for language in Language::ALL {
        let wanted: &[&str] = match language {
            Language::English => &["one", "other"],
            Language::Polish | Language::Russian => &["one", "few", "many", "other"],
        };
        let wanted: BTreeSet<String> = wanted.iter().map(|form| (*form).to_owned()).collect();
        for (name, shape) in shapes(language) {
            for forms in shape.forms {
                assert_eq!(forms, wanted, "{name} in {}", language.tag());
            }
        }
    }
}

#[test]
fn numbers_choose_the_plural_form_of_the_language() {
    let said = |language, count| {
        let words = Words::new(language);
        words.say(
            "high_pending_operations.facts",
            &[("count", Value::Number(count)), ("limit", Value::Number(100))],
        )
    };
    for (language, count, expected) in [
        (Language::English, 1, "One operation waits; the threshold is 100."),
        (Language::English, 21, "21 operations wait; the threshold is 100."),
        (Language::Polish, 1, "Czeka jedna operacja; próg to 100."),
        (Language::Polish, 22, "Czekają 22 operacje; próg to 100."),
        (Language::Polish, 112, "Czeka 112 operacji; próg to 100."),
        (Language::Russian, 21, "Ждёт 21 операция; порог: 100."),
        (Language::Russian, 102, "Ждут 102 операции; порог: 100."),
        (Language::Russian, 111, "Ждут 111 операций; порог: 100."),
    ] {
        assert_eq!(said(language, count), expected);
    }
}
