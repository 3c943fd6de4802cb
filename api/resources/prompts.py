"""Prompts of language models; their keys go in and never come out."""

from api.endpoint import admin, crud
from storage import prompts

routes = crud(
    "/prompt",
    prompts.rows,
    noun="prompt",
    missing="ERR_NO_PROMPT_FOUND",
    plural="prompts",
    only=("page", "show", "create", "change", "delete"),
    write=admin,
    needs=("name", "prompt", "api_key"),
    fixed=("prompt_tokens", "completion_tokens", "total_tokens"),
    secret=prompts.SECRET,
    feature="use_open_ai",
)
