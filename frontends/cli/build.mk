CLI_SRC += $(wildcard frontends/cli/*.c)
