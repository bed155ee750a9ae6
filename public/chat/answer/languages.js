/**
 * The languages that are coloured: what models call them, and which others may be in them. Each is loaded when it is
 * first needed.
 */

/** @typedef {[load: () => Promise<{ default: import("highlight.js").LanguageFn }>, names?: string, needs?: string]} Row */

/** @type {Record<string, Row>} */
const LANGUAGES = {
  ada: [() => import("highlight.js/lib/languages/ada")],
  apache: [() => import("highlight.js/lib/languages/apache"), "apacheconf httpd"],
  applescript: [() => import("highlight.js/lib/languages/applescript"), "osascript"],
  arduino: [() => import("highlight.js/lib/languages/arduino"), "ino"],
  armasm: [() => import("highlight.js/lib/languages/armasm"), "arm"],
  asciidoc: [() => import("highlight.js/lib/languages/asciidoc"), "adoc"],
  awk: [() => import("highlight.js/lib/languages/awk"), "gawk"],
  bash: [() => import("highlight.js/lib/languages/bash"), "sh zsh shell ksh"],
  basic: [() => import("highlight.js/lib/languages/basic")],
  c: [() => import("highlight.js/lib/languages/c"), "h"],
  clojure: [() => import("highlight.js/lib/languages/clojure"), "clj cljs edn"],
  cmake: [() => import("highlight.js/lib/languages/cmake")],
  coffeescript: [() => import("highlight.js/lib/languages/coffeescript"), "coffee"],
  cpp: [() => import("highlight.js/lib/languages/cpp"), "c++ cc cxx hpp h++"],
  crystal: [() => import("highlight.js/lib/languages/crystal"), "cr"],
  csharp: [() => import("highlight.js/lib/languages/csharp"), "cs c# dotnet"],
  css: [() => import("highlight.js/lib/languages/css")],
  d: [() => import("highlight.js/lib/languages/d")],
  dart: [() => import("highlight.js/lib/languages/dart")],
  delphi: [() => import("highlight.js/lib/languages/delphi"), "pascal pas objectpascal"],
  diff: [() => import("highlight.js/lib/languages/diff"), "patch"],
  django: [() => import("highlight.js/lib/languages/django"), "jinja jinja2 jinja-html", "xml"],
  dns: [() => import("highlight.js/lib/languages/dns"), "zone bind"],
  dockerfile: [
    () => import("highlight.js/lib/languages/dockerfile"),
    "docker containerfile",
    "bash",
  ],
  dos: [() => import("highlight.js/lib/languages/dos"), "bat cmd batch"],
  elixir: [() => import("highlight.js/lib/languages/elixir"), "ex exs"],
  elm: [() => import("highlight.js/lib/languages/elm")],
  erb: [() => import("highlight.js/lib/languages/erb"), "eruby", "xml ruby"],
  erlang: [() => import("highlight.js/lib/languages/erlang"), "erl"],
  excel: [() => import("highlight.js/lib/languages/excel"), "xlsx"],
  fortran: [() => import("highlight.js/lib/languages/fortran"), "f90 f95"],
  fsharp: [() => import("highlight.js/lib/languages/fsharp"), "fs f#"],
  gherkin: [() => import("highlight.js/lib/languages/gherkin"), "feature cucumber"],
  glsl: [() => import("highlight.js/lib/languages/glsl"), "shader"],
  go: [() => import("highlight.js/lib/languages/go"), "golang"],
  gradle: [() => import("highlight.js/lib/languages/gradle")],
  graphql: [() => import("highlight.js/lib/languages/graphql"), "gql"],
  groovy: [() => import("highlight.js/lib/languages/groovy")],
  handlebars: [() => import("highlight.js/lib/languages/handlebars"), "hbs mustache", "xml"],
  haskell: [() => import("highlight.js/lib/languages/haskell"), "hs"],
  http: [() => import("highlight.js/lib/languages/http"), "https", "json xml"],
  ini: [
    () => import("highlight.js/lib/languages/ini"),
    "toml conf cfg dosini editorconfig env dotenv",
  ],
  java: [() => import("highlight.js/lib/languages/java")],
  javascript: [
    () => import("highlight.js/lib/languages/javascript"),
    "js mjs cjs jsx node",
    "xml css",
  ],
  json: [() => import("highlight.js/lib/languages/json"), "jsonc json5 jsonl ndjson geojson"],
  julia: [() => import("highlight.js/lib/languages/julia"), "jl"],
  kotlin: [() => import("highlight.js/lib/languages/kotlin"), "kt kts"],
  latex: [() => import("highlight.js/lib/languages/latex"), "tex"],
  less: [() => import("highlight.js/lib/languages/less")],
  lisp: [() => import("highlight.js/lib/languages/lisp"), "elisp commonlisp cl"],
  llvm: [() => import("highlight.js/lib/languages/llvm")],
  lua: [() => import("highlight.js/lib/languages/lua"), "luau"],
  makefile: [() => import("highlight.js/lib/languages/makefile"), "make mk"],
  markdown: [() => import("highlight.js/lib/languages/markdown"), "md mkd mdx", "xml"],
  matlab: [() => import("highlight.js/lib/languages/matlab"), "octave"],
  nginx: [() => import("highlight.js/lib/languages/nginx"), "nginxconf"],
  nim: [() => import("highlight.js/lib/languages/nim")],
  nix: [() => import("highlight.js/lib/languages/nix")],
  objectivec: [() => import("highlight.js/lib/languages/objectivec"), "objc objective-c mm obj-c"],
  ocaml: [() => import("highlight.js/lib/languages/ocaml"), "ml"],
  perl: [() => import("highlight.js/lib/languages/perl"), "pl pm"],
  pgsql: [() => import("highlight.js/lib/languages/pgsql"), "postgres postgresql plpgsql"],
  php: [() => import("highlight.js/lib/languages/php"), "php8", "xml css javascript"],
  powershell: [() => import("highlight.js/lib/languages/powershell"), "ps1 ps pwsh"],
  prolog: [() => import("highlight.js/lib/languages/prolog")],
  properties: [() => import("highlight.js/lib/languages/properties")],
  protobuf: [() => import("highlight.js/lib/languages/protobuf"), "proto proto3"],
  puppet: [() => import("highlight.js/lib/languages/puppet")],
  python: [() => import("highlight.js/lib/languages/python"), "py py3 python3 gyp ipython"],
  "python-repl": [() => import("highlight.js/lib/languages/python-repl"), "pycon", "python"],
  qml: [() => import("highlight.js/lib/languages/qml")],
  r: [() => import("highlight.js/lib/languages/r"), "rscript"],
  reasonml: [() => import("highlight.js/lib/languages/reasonml"), "re"],
  ruby: [() => import("highlight.js/lib/languages/ruby"), "rb gemspec jruby rake"],
  rust: [() => import("highlight.js/lib/languages/rust"), "rs"],
  scala: [() => import("highlight.js/lib/languages/scala"), "sbt"],
  scheme: [() => import("highlight.js/lib/languages/scheme"), "scm racket rkt"],
  scss: [() => import("highlight.js/lib/languages/scss"), "sass"],
  shell: [
    () => import("highlight.js/lib/languages/shell"),
    "console shellsession sh-session terminal",
    "bash",
  ],
  smalltalk: [() => import("highlight.js/lib/languages/smalltalk"), "st"],
  sql: [() => import("highlight.js/lib/languages/sql"), "mysql sqlite mariadb tsql plsql"],
  stylus: [() => import("highlight.js/lib/languages/stylus"), "styl"],
  swift: [() => import("highlight.js/lib/languages/swift")],
  tcl: [() => import("highlight.js/lib/languages/tcl"), "tk"],
  thrift: [() => import("highlight.js/lib/languages/thrift")],
  twig: [() => import("highlight.js/lib/languages/twig"), "", "xml"],
  typescript: [() => import("highlight.js/lib/languages/typescript"), "ts tsx mts cts", "xml css"],
  vala: [() => import("highlight.js/lib/languages/vala")],
  vbnet: [() => import("highlight.js/lib/languages/vbnet"), "vb"],
  verilog: [() => import("highlight.js/lib/languages/verilog"), "v sv systemverilog"],
  vhdl: [() => import("highlight.js/lib/languages/vhdl")],
  vim: [() => import("highlight.js/lib/languages/vim"), "viml vimscript"],
  wasm: [() => import("highlight.js/lib/languages/wasm"), "wat wast webassembly"],
  x86asm: [() => import("highlight.js/lib/languages/x86asm"), "asm nasm assembly"],
  xml: [
    () => import("highlight.js/lib/languages/xml"),
    "html xhtml htm svg rss atom xsl xsd plist vue svelte astro",
    "css javascript",
  ],
  xquery: [() => import("highlight.js/lib/languages/xquery"), "xpath"],
  yaml: [() => import("highlight.js/lib/languages/yaml"), "yml"],
};

const NAMES = new Map(
  Object.entries(LANGUAGES).flatMap(([language, [, names = ""]]) =>
    [language, ...names.split(" ")].map((name) => [name, language]),
  ),
);
// In the library "shell" is a session with prompts. Models mean a script.
NAMES.set("shell", "bash");

/**
 * The language that a model means.
 *
 * @param {string} name
 * @returns {{ name: string, parts: { name: string, load: Row[0] }[] } | undefined} the language, and all that it takes
 */
export function languageOf(name) {
  const language = NAMES.get(name);
  if (!language) return undefined;
  const [, , needs = ""] = LANGUAGES[language];
  const parts = [language, ...needs.split(" ").filter(Boolean)];
  return { name: language, parts: parts.map((part) => ({ name: part, load: LANGUAGES[part][0] })) };
}
