"use strict";

// Starts `fgc lsp` and lets it speak with the editor.

const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

async function start() {
  const command = vscode.workspace.getConfiguration("fg").get("path") || "fgc";
  client = new LanguageClient(
    "fg",
    "fgc",
    { command, args: ["lsp"] },
    { documentSelector: [{ language: "fg" }] }
  );
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    vscode.window.showErrorMessage(
      `\`${command} lsp\` does not start: ${error.message}. ` +
        "Install it with pip install 'fgc[lsp]', and name it in the setting fg.path."
    );
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running !== undefined) {
    await running.stop();
  }
}

async function restart() {
  await stop();
  await start();
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("fg.restart", restart),
    vscode.workspace.onDidChangeConfiguration((event) =>
      event.affectsConfiguration("fg.path") ? restart() : undefined
    )
  );
  await start();
}

module.exports = { activate, deactivate: stop };
