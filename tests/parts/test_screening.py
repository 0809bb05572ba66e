"""Screening: each fault of published prompts is rejected, and good prompts of many tasks are not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from promptdescent.errors import ConfigError
from promptdescent.parts.few_shot import WORKED_PAIRS
from promptdescent.parts.search.screening import ExactDuplicates, Screening, StandardScreening
from promptdescent.records import Example, TaskBrief
from promptdescent.tasks.datasets import DataSource, load_splits
from promptdescent.tasks.demo import BY_HAND, ROWS, STARTING_PROMPT


def rows(*pairs: tuple[str, str]) -> tuple[Example, ...]:
    return tuple(
        Example(id=str(index), inputs=(("text", text),), target=target) for index, (text, target) in enumerate(pairs)
    )


def brief(
    *,
    train: tuple[Example, ...] = (),
    labels: tuple[str, ...] = (),
    placeholders: tuple[str, ...] = (),
    notes: str = "",
) -> TaskBrief:
    return TaskBrief(
        labels=labels,
        placement="template" if placeholders else "after",
        placeholders=placeholders,
        train=train,
        mean_over_rows=True,
        notes=notes,
    )


def reason(text: str, task: TaskBrief | None = None, tried: tuple[str, ...] = ()) -> str:
    return StandardScreening().reject(text, tried=tried, brief=task or brief())


# A multiple-choice task in which each row brings its own options; all rows are our own.
QUIZ = brief(
    labels=("(A)", "(B)", "(C)"),
    train=rows(
        ("Which part of a plant takes up most of its water?\n(A) the petals\n(B) the roots\n(C) the seeds", "(B)"),
        ("What do bees carry from one flower to another?\n(A) pollen\n(B) bark\n(C) gravel", "(A)"),
        ("Why do leaves look green?\n(A) they hold copper\n(B) they are wet\n(C) they hold chlorophyll", "(C)"),
        ("Where does a cactus keep water?\n(A) in its stem\n(B) in its spines\n(C) in its fruit only", "(A)"),
    ),
)

# Stories, each with people of its own; "Story:" and the question are the same in all of them.
PEOPLE = (
    ("Marek", "Ilse"),
    ("Nadia", "Otto"),
    ("Pavel", "Greta"),
    ("Sunita", "Bruno"),
    ("Yusuf", "Clara"),
    ("Hanne", "Diego"),
    ("Lior", "Petra"),
    ("Tomas", "Wilma"),
    ("Kenji", "Astrid"),
    ("Ravi", "Judit"),
)
STORIES = brief(
    labels=("yes", "no"),
    train=rows(
        *(
            (f"Story: {one} lent a spade to {other}, who gave it back. Is it {one} or {other} who has it?", "yes")
            for one, other in PEOPLE
        )
    ),
)

# The demo's own task, with a few messages of this test.
FEELING = brief(
    labels=("positive", "negative"),
    train=rows(
        ("The soup arrived cold and the waiter shrugged when I said so.", "negative"),
        ("Lovely room, and they let us check in two hours early.", "positive"),
        ("The parcel came a day early and nothing was broken.", "positive"),
    ),
)

SUMS = brief(train=rows(("A shelf holds 4 books of 30 pages. How many pages?", "120"), ("2 + 3 * 4 =", "14")))

QUESTION_WRITING = brief(
    train=rows(
        ("The capital of Norway is Oslo.", "What is the capital of Norway?"),
        ("Ice melts at zero degrees.", "At what temperature does ice melt?"),
    )
)


# --- length, duplicates, placeholders --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("seen {text}", "tried before"),
        ("Answer [[PROMPT]] now", "left-over token [[PROMPT]]"),
        ("Answer [[prompt]] now", "left-over token [[PROMPT]]"),
        ("no column", "dropped placeholder {text}"),
        ("Say what {{text}} is about.", "dropped placeholder {text}"),
        ("x" * 8000 + " {text}", "longer than 8000 characters"),
        ("x" * 7993 + " {text}", ""),
        ("Say what {text} is about.", ""),
        ('{{"a": {text}}}', ""),
    ],
)
def test_basic_reasons(text: str, expected: str) -> None:
    assert reason(text, brief(placeholders=("text",)), tried=("start {text}", "seen {text}")) == expected


def test_all_dropped_placeholders_are_named() -> None:
    task = brief(placeholders=("question", "context"))
    assert reason("Answer the question.", task) == "dropped placeholder {question}, {context}"


@pytest.mark.parametrize(
    "text",
    [
        "is this review positive or negative? answer with ONE word",
        "Is this review  positive or negative?\n\nAnswer with one word.",
        "Is this review **positive** or **negative**: Answer with one word!",
        "Is this review \u201cpositive\u201d or \u201cnegative\u201d? \u2013 Answer with one-word",
    ],
)
def test_what_differs_in_case_punctuation_and_white_space_alone_is_a_near_duplicate(text: str) -> None:
    assert reason(text, tried=("start", BY_HAND)) == "near duplicate of a prompt tried before"
    assert StandardScreening(near_duplicates=False).reject(text, tried=(BY_HAND,), brief=brief()) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Is this message positive or negative? Answer with one word.",
        "Is this review negative or positive? Answer with one word.",
        "Is this review not positive or negative? Answer with one word.",
        "Is this review positive or negative? Answer with one word, please.",
        "Is this review (positive) or (negative)? Answer with one word.",
        "Is this review positive/negative? Answer with one word.",
        "Is this review positive or negative? Answer with 1 word.",
        "Is the review positive or negative? Answer with one word.",
    ],
)
def test_a_changed_word_order_or_bracket_is_no_near_duplicate(text: str) -> None:
    assert reason(text, tried=("start", BY_HAND)) == ""


def test_screening_150_proposals_of_a_full_search_takes_far_less_than_a_millisecond_each() -> None:
    train = rows(
        *((f"row {index} " + " ".join(f"word{index + place}" for place in range(60)), "a") for index in range(100))
    )
    task = brief(train=train, labels=("a", "b"))
    tried = tuple(f"Prompt {index}: " + "read the text and choose " * 5 for index in range(2000))
    texts = [f"Proposal {index}: " + "weigh every sentence and then answer " * 5 for index in range(451)]
    reason(texts.pop(), task, tried)  # what is prepared once per run
    seconds = []
    for first in range(0, 450, 150):  # the fastest counts: others may have had to share the processor
        started = time.process_time()
        assert {reason(text, task, tried) for text in texts[first : first + 150]} == {""}
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.15


# --- tags ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("Answer the question.</prompt>", "</prompt>"),
        ("<prompt>Answer the question.", "<prompt>"),
        ("Answer the question. </INS>", "</INS>"),
        ("</answer> Give the label. <answer>", "</answer>"),
        ("Put it in <a>x</a> and </a>.", "</a>"),
        ("Answer in one word.<|im_end|>", "<|im_end|>"),
        ("[INST] Answer in one word. [/INST]", "[INST]"),
        ("Answer in one word.</s>", "</s>"),
    ],
)
def test_left_over_tags(text: str, tag: str) -> None:
    assert reason(text) == f"left-over tag {tag}"
    assert StandardScreening(tags=False).reject(text, tried=(), brief=brief()) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Think first. Then give the label between <answer> and </answer>.",
        "Work inside <think></think>, then answer.",
        "Write <summary>...</summary> with at most two sentences.",
        "Say whether a < b or a > b.",
        "The review stands inside <text> and </text>; answer yes or no.",
        "Return <answer>yes</answer> or <answer>no</answer>.",
    ],
)
def test_tags_that_are_part_of_a_prompt_stay(text: str) -> None:
    assert reason(text) == ""


def test_a_tag_of_the_rows_is_the_tasks_own() -> None:
    task = brief(train=rows(("<b>Sale</b> ends today</title>", "no")))
    assert reason("Extract what stands before </title>.", task) == ""


# --- slots -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "slot"),
    [
        ("At which hours could [NAME] have been in the garden?", "[NAME]"),
        ("Decide where <entity> was last seen and choose an option.", "<entity>"),
        ("What did ___ do after lunch? Choose the right option.", "___"),
        ("Work out how old {name} is today.", "{name}"),
        ("Follow the ball that [Person 1] holds.", "[Person 1]"),
        ("Consider [insert question here] with care.", "[insert question here]"),
    ],
)
def test_unfilled_slots(text: str, slot: str) -> None:
    assert reason(text) == f"unfilled slot {slot}"
    assert StandardScreening(slots=False).reject(text, tried=(), brief=brief()) == ""


def test_an_unknown_placeholder_is_a_slot_and_a_column_is_none() -> None:
    train = (Example(id="0", inputs=(("text", "It rains."), ("city", "Bergen")), target="rain"),)
    task = brief(placeholders=("text",), train=train)
    assert reason("{text} What is the weather near {town}?", task) == "unfilled slot {town}"
    assert reason("{text} What is the weather near {city}?", task) == ""
    assert reason("What is the weather near {city}?", brief(train=train)) == "unfilled slot {city}"
    assert reason("{text} Give the answer in braces, {{town}}, and nothing else.", task) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Think step by step and end with 'Answer: <option letter>'.",
        "Reply in this format:\nName: [name]\nPlace: [place]",
        "End your reply with: The answer is [X].",
        "The answer is ___.",
        "Respond with <name> and nothing else.",
        "Close with the {label} that fits.",
        'Return JSON such as {"name": "...", "age": 3}.',
        "Put the final answer in \\boxed{answer}.",
        "Write \\frac{a}{b} as a decimal number.",
        "Answer with one of [positive, negative].",
        "Give a score [1-5].",
        "Fill in the blank marked ____ with one word.",
        "See [the rules](https://example.org/rules) and answer.",
        "The passage is inside <text></text>. Answer the question.",
        "Sort the list [optional] and answer.",
        "Wrap it in the <name> tag.",
    ],
)
def test_slots_that_describe_the_answer_stay(text: str) -> None:
    assert reason(text) == ""


def test_a_slot_of_the_rows_or_the_notes_is_the_tasks_own() -> None:
    task = brief(train=rows(("My name is [NAME] and I am late.", "personal")), notes="Dates are masked as <date>.")
    assert reason("Is [NAME] the writer of the text, and is <date> in the past?", task) == ""
    assert reason("Is it about a [person] or a [place]?", brief(labels=("[person]", "[place]"))) == ""


# --- copies of train rows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "copied"),
    [
        (
            "Reply to this: the parcel came a day early, and NOTHING was broken!",
            "the parcel came a day early and nothing",
        ),
        (
            "Say: the soup arrived cold and the waiter shrugged. Negative.",
            "the soup arrived cold and the waiter shrugged",
        ),
    ],
)
def test_eight_words_of_a_train_row_are_a_copy(text: str, copied: str) -> None:
    assert reason(text, FEELING) == f"copies a train row: {copied!r}"
    assert StandardScreening(overlap=0).reject(text, tried=(), brief=FEELING) == ""


def test_seven_words_of_a_train_row_are_none() -> None:
    assert reason("Say: the soup arrived cold and the waiter laughed.", FEELING) == ""
    assert StandardScreening(overlap=7).reject("The soup arrived cold and the waiter left.", tried=(), brief=FEELING)


def test_the_token_with_a_train_row_and_its_options_is_rejected() -> None:
    text = "[[PROMPT]] Which part of a plant takes up most of its water? (A) the petals (B) the roots (C) the seeds"
    assert reason(text, QUIZ) == "left-over token [[PROMPT]]"
    assert reason(text.removeprefix("[[PROMPT]] "), QUIZ).startswith("copies a train row: 'which part of a plant")


def test_words_of_a_target_are_a_copy_too() -> None:
    task = brief(train=rows(("Oslo | capital of | Norway", "The capital city of the kingdom of Norway is Oslo.")))
    assert reason("Begin: the capital city of the kingdom of Norway is near.", task).startswith("copies a train row")


def test_what_half_of_the_rows_share_is_boilerplate() -> None:
    statement = "Turn the facts below into one plain English sentence."
    facts = ["a | b | c", "d | e | f", "g | h | i", "j | k | l"]
    with_statement = [(f"{statement}\n{fact}", "x y") for fact in facts[:2]]
    bare = [(fact, "x y") for fact in facts[2:]]
    assert reason(f"{statement} Be brief.", brief(train=rows(*with_statement, *bare))).startswith("copies a train row")
    third = (f"{statement}\nm | n | o", "x y")
    assert reason(f"{statement} Be brief.", brief(train=rows(*with_statement, third, *bare))) == ""


def test_two_rows_are_too_few_for_boilerplate() -> None:
    line = "Read the note of the night shift and say"
    assert reason(f"{line} it again.", brief(train=rows((f"{line} a", "x"), (f"{line} b", "x"))))


# --- replies to the user ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Could you tell me what you want the prompt to do?",
        "What prompt do you want?",
        "Which of these would you like me to improve first?",
        "Could you please give more context?",
        "I need a little help here: can you clarify?",
        "Please provide me with the current prompt and its score.",
        "Hello! How can I help you today?",
        "I'm sorry, but there is nothing to improve.",
        "I\u2019m sorry, that is not possible.",
        "As an AI language model, I have no opinion on reviews.",
        "I cannot help with that request.",
        "I'd be happy to improve it.",
        "Sure! This one should score higher: say the label.",
    ],
)
def test_replies_to_the_user(text: str) -> None:
    assert reason(text).startswith("a reply to the user instead of a prompt: ")
    assert StandardScreening(replies=False).reject(text, tried=(), brief=brief()) == ""


# --- requests to write -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Write a question about plants with three options.", "question"),
        ("Create a multiple-choice question on the water of plants.", "question"),
        ("Generate questions that test what somebody knows of bees.", "question"),
        ("Come up with a tricky new riddle.", "question"),
        ("Write a short Python program that finds the roots.", "program"),
        ("Implement a script for the sum.", "program"),
        ("Write code that prints the letter.", "program"),
    ],
)
def test_requests_to_write_a_question_or_a_program(text: str, kind: str) -> None:
    assert reason(text, QUIZ).startswith(f"asks to write a {kind}: ")
    assert reason(text, SUMS).startswith(f"asks to write a {kind}: ")
    assert reason(text, QUESTION_WRITING) == ""
    assert reason(text, brief()) == ""
    assert StandardScreening(requests=False).reject(text, tried=(), brief=QUIZ) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Write the letter of the right answer to the question.",
        "Write a short answer to the question.",
        "Write one word per question.",
        "Rewrite the question in your own words, then choose an option.",
        "Formulate a follow-up question if you need one, then answer.",
        "Write a short Python program for the problem, run it in your head and answer with its result.",
        "Generate the two-letter country code.",
        "Write an ICD code for the note.",
        "Write 1 if the question is easy, otherwise 0.",
        "Create a plan to solve the question and follow it.",
        "Is this line a question or a statement? Answer with one word.",
        "Does the program print a number? Answer yes or no.",
    ],
)
def test_what_is_no_request_to_write_a_question(text: str) -> None:
    assert reason(text, QUIZ) == ""


def test_a_choice_between_answers_of_several_words_is_no_question_either() -> None:
    task = brief(labels=("rather yes", "rather no"), train=rows(("Does ice float?", "rather yes")))
    assert reason("Write a question about ice.", task).startswith("asks to write a question")


def test_notes_or_a_starting_prompt_that_ask_for_programs_allow_them() -> None:
    text = "Write a Python program that prints the sum."
    assert reason(text, SUMS)
    assert reason(text, brief(train=SUMS.train, notes="The models write a program, which is then run.")) == ""
    assert reason(text, SUMS, tried=("Write a program for this problem.", "Add up.")) == ""
    assert reason(text, SUMS, tried=("Add up.", "Write a program for this problem."))


# --- questions with options, names of one row ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "What do moths look for at night? (A) light (B) salt (C) wool",
        "Choose well. Which animal digs?\nOptions:\nA. the mole\nB. the swift",
        "Which one swims? A) trout B) hen",
        "What is yellow? (A) pollen (B) bark",
    ],
)
def test_a_whole_question_with_options(text: str) -> None:
    assert reason(text, QUIZ).startswith("a question with its own options: ")
    assert StandardScreening(options=False).reject(text, tried=(), brief=QUIZ) == ""
    assert reason(text, FEELING) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Which option is right? Answer with (A), (B) or (C).",
        "Which option is right? (A) or (B) or (C)",
        "Is the first option right? Choose (A) if it is, (B) or (C) otherwise.",
        "Choose: (A) the first option (B) the second option (C) the third option.",
        "Which is right? A. or B.",
    ],
)
def test_options_without_a_question_of_their_own_stay(text: str) -> None:
    assert reason(text, QUIZ) == ""


def test_options_that_all_rows_share_stay() -> None:
    facts = ("Snow is cold", "Iron floats", "Fire is wet", "Grass grows")
    task = brief(labels=("(A)", "(B)"), train=rows(*((f"{fact}.\n(A) true\n(B) false", "(A)") for fact in facts)))
    assert reason("Is the sentence right? (A) true (B) false", task) == ""
    assert reason("Is the sentence right? (A) red (B) blue", task) != ""


def test_names_of_one_row() -> None:
    assert reason("Who has the spade now, Marek or Ilse?", STORIES) == "names of one train row: Marek, Ilse"
    assert StandardScreening(names=False).reject("Is it Marek or Ilse?", tried=(), brief=STORIES) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Who has the spade now, Marek or somebody else?",
        "Who has the spade now, Marek or Otto?",
        "Track people such as Marek and Ilse, and answer yes or no.",
        "Marek. Ilse. Answer yes or no.",
        "Who has the spade now, Marek, Ilse or Zoe?",
        "Is it as Sherlock Holmes or Miss Marple would say?",
        "Answer in English, with Yes or No. Story: as told.",
    ],
)
def test_names_that_are_not_those_of_one_row_stay(text: str) -> None:
    assert reason(text, STORIES) == ""


def test_names_that_stand_together_in_two_rows_and_months_stay() -> None:
    more = rows(*((f"Nobody is named in row {index}.", "no") for index in range(12)))
    again = rows(("Story: Ilse rang Marek. Is it Marek or Ilse who came?", "yes"))
    assert reason("Who has the spade now, Marek or Ilse?", brief(train=(*STORIES.train, *more))) != ""
    assert reason("Who has the spade now, Marek or Ilse?", brief(train=(*STORIES.train, *more, *again))) == ""
    months = rows(("Rain fell in April and May. Did more fall in April or in May?", "yes"))
    assert reason("Compare the sums of April and May, then say yes or no.", brief(train=(*more, *months))) == ""


def test_a_name_that_stands_in_more_than_a_tenth_of_the_rows_is_no_name_of_one() -> None:
    train = (*STORIES.train, *rows(("Story: Ilse ran. Is it Ilse or Abel who won?", "yes")))
    assert reason("Who has the spade now, Marek or Ilse?", brief(train=train)) == ""


def test_names_that_a_row_merely_mentions_may_be_topics() -> None:
    train = (*STORIES.train[1:], *rows(("Which ocean lies between Africa and America? Name it.", "yes")))
    assert reason("Think of the map of Africa and America, then answer yes or no.", brief(train=train)) == ""


def test_names_are_not_looked_at_with_few_rows_or_when_the_notes_hold_them() -> None:
    text = "Who has the spade now, Marek or Ilse?"
    assert reason(text, brief(train=STORIES.train[:7])) == ""
    assert reason(text, brief(train=STORIES.train, notes="Marek and Ilse own the farm.")) == ""


def test_names_that_many_rows_share_stay() -> None:
    train = rows(*((f"Ann, Ben and Cleo swap hats {count} times. Who has the red hat?", "Ann") for count in range(20)))
    assert reason("Follow every swap of Ann, Ben and Cleo, and name who has the hat.", brief(train=train)) == ""


# --- what must never be rejected -------------------------------------------------------------------------------------

GOOD = [
    STARTING_PROMPT,
    BY_HAND,
    *(text for pair in WORKED_PAIRS for text in (pair.before, pair.after)),
    "What kind of message is this?",
    "What kind of message is this: complaint, question or praise?",
    "Is this message a complaint, a question or praise? Answer with one word.",
    "Let's think step by step.",
    "Think: what do you need to find? Solve it step by step and give the number.",
    "What do you think: is it valid or invalid?",
    "Can you tell me whether this is positive or negative?",
    "Would you say that the writer is happy? Answer yes or no.",
    "Please provide the answer as a single letter.",
    "Please provide me with the answer only.",
    "You are a support agent. Greet the customer with 'How can I help you?' and answer.",
    "If the text does not say, reply 'I don't have enough information'.",
    'Never begin with "I\'m sorry". Answer directly.',
    'If something is unclear, ask "Could you give more context?"',
    "As an AI expert in logic, say whether the argument is valid.",
    "Say what you would need to know, then answer all the same.",
    "Is the prompt harmful? Answer yes or no.",
    "Follow the instructions of the text. Do you return to the starting point?",
    "List the objects, count those of the kind that is asked for, and give the number.",
    'Rate the text from 1 to 5 and return JSON: {"score": 3}.',
    "Sort the words alphabetically and write them in one line, with spaces between them.",
    "Close the brackets in reverse order: ( with ), [ with ], { with }, < with >.",
    "Écris une phrase en français, puis réponds par oui ou non.",
    "## Job\nRead the text.\n\n## Output\n- one word\n- no explanation",
    "1. Read the question. 2. Rule out options. 3. Answer with the letter, such as (A).",
]


@pytest.mark.parametrize("text", GOOD)
@pytest.mark.parametrize(
    "task", [FEELING, QUIZ, STORIES, SUMS, QUESTION_WRITING], ids=["feeling", "quiz", "stories", "sums", "writing"]
)
def test_good_prompts_stay(text: str, task: TaskBrief) -> None:
    assert reason(text, task) == ""


def test_good_prompts_stay_with_the_demos_rows() -> None:
    splits = load_splits(DataSource(file=ROWS, inputs=("text",), target="label"), seed=0)
    task = brief(train=splits.train, labels=("positive", "negative"))
    assert len(task.train) >= 40
    assert [text for text in GOOD if reason(text, task)] == []


def test_a_rule_that_the_starting_prompt_breaks_is_not_applied() -> None:
    start = "Fill in what [NAME] said.</note>"
    assert reason("What did [PERSON] say?", tried=(start,)) == ""
    assert reason("Say it.</text>", tried=(start,)) == ""
    assert reason("What did [PERSON] say? [[PROMPT]]", tried=(start,)) == "left-over token [[PROMPT]]"
    assert StandardScreening().reject("What did [PERSON] say?", tried=dict.fromkeys([start]), brief=brief()) == ""
    assert StandardScreening().reject("What did [PERSON] say?", tried={start}, brief=brief()) != ""


def test_exact_duplicates_are_all_that_the_reference_code_rejects() -> None:
    screening: Screening = ExactDuplicates()
    assert screening.reject("seen", tried=("seen",), brief=brief()) == "tried before"
    for text in ("Seen", "", "Answer.</prompt>", "x" * 9000):
        assert screening.reject(text, tried=("seen",), brief=brief(placeholders=("text",))) == ""


@pytest.mark.parametrize("field", [{"longest": 0}, {"overlap": -1}])
def test_numbers_out_of_range_are_an_error(field: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(field))):
        StandardScreening(**field)  # type: ignore[arg-type]


# --- real rows -------------------------------------------------------------------------------------------------------


DOMAIN = [
    "Consider the teachings of Judaism, Christianity and Islam, then choose.",
    "You are an expert on the foreign policy of the United States, the Cold War and the United Nations.",
    "Read it as an American scholar of European history would, and choose.",
    "Dates are written as MM/DD/YYYY. Find today's date first, then count days from Monday to Sunday.",
    "Track what Alice, Bob and Claire hold after each swap, and answer with the letter.",
    "Find whom the pronoun refers to and answer (A) or (B).",
    "Is the sentence about sports plausible? Think of the NBA, the NHL and the NFL. Answer yes or no.",
]


def real_train(shared_data: Path, name: str, **columns: str) -> TaskBrief:
    path = shared_data / name
    if not path.is_file():
        pytest.skip(f"{name} is not among the shared rows")
    inputs = (columns["input"],) if columns else None
    source = DataSource(file=path, inputs=inputs, target=columns.get("target"))
    return brief(train=load_splits(source, seed=0).train[:100])


BOILERPLATE = [
    ("bbh/causal_judgement.json", "How would a typical person answer each of the following questions about causation?"),
    (
        "bbh/formal_fallacies.json",
        "Is the argument, given the explicitly stated premises, deductively valid or invalid? "
        "Options: - valid - invalid",
    ),
    (
        "bbh/dyck_languages.json",
        "Complete the rest of the sequence, making sure that the parentheses are closed properly.",
    ),
    ("webnlg/train.jsonl", "Write the following triples as fluent English text. Triples: keep every one of them."),
]


@pytest.mark.parametrize(("name", "text"), BOILERPLATE)
def test_what_all_real_rows_share_is_no_leak(shared_data: Path, name: str, text: str) -> None:
    task = real_train(shared_data, name)
    assert reason(text, task) == ""
    assert reason(text, brief(train=task.train[:2])).startswith("copies a train row")


REAL = [*(name for name, _ in BOILERPLATE), "bbh/date_understanding.json", "bbh/hyperbaton.json", "gsm8k/train.jsonl"]
REAL += ["bbh/penguins_in_a_table.json", "bbh/tracking_shuffled_objects_three_objects.json", "wsc/train.jsonl"]
REAL += ["mmlu/world_religions.jsonl", "mmlu/us_foreign_policy.jsonl", "instruction_induction/sentiment.jsonl"]


def columns_of(name: str) -> dict[str, str]:
    return {"input": "question", "target": "answer"} if name.startswith("mmlu") else {}


@pytest.mark.parametrize("name", REAL)
def test_good_prompts_stay_with_real_rows(shared_data: Path, name: str) -> None:
    task = real_train(shared_data, name, **columns_of(name))
    assert [text for text in [*GOOD, *DOMAIN] if reason(text, task)] == []


@pytest.mark.parametrize("name", [name for name in REAL if "dyck" not in name and "sentiment" not in name])
def test_a_copied_real_question_goes(shared_data: Path, name: str) -> None:
    task = real_train(shared_data, name, **columns_of(name))
    long = [row.question for row in task.train if len(row.question.split()) >= 16]
    assert long
    # The beginning may be the same in all rows; the end is a row's own.
    copies = [reason(f"Answer. {' '.join(text.split()[-40:])} Give the answer only.", task) for text in long]
    assert all(copied.startswith("copies a train row") for copied in copies)
