"""podgate completion."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete podgate's commands and options.

    \b
    For this shell only:
      source <(podgate completion bash)
      source <(podgate completion zsh)
      podgate completion fish | source
    For every new one:
      echo 'source <(podgate completion bash)' >> ~/.bashrc
      echo 'source <(podgate completion zsh)' >> ~/.zshrc
      podgate completion fish > ~/.config/fish/completions/podgate.fish
    """  # noqa: D301  # \b is click's mark for lines to leave as they are
    root = context.find_root()
    kind = get_completion_class(shell)
    if kind is None:
        message = f"no completion for {shell}"
        raise click.ClickException(message)
    click.echo(kind(root.command, {}, "podgate", "_PODGATE_COMPLETE").source())
