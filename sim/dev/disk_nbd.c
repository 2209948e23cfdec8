/* Images of other formats: a qemu-nbd child serves them on a socket that nobody else can reach. It ends by itself when
 * the connection does, and writes back what it holds, whether this process closes it or dies. */
#include <errno.h>
#include <fcntl.h>
#include <libnbd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/dev/disk_internal.h"

#define PIECE     (1u << 20) /* bytes in one request */
#define LISTEN_FD 3          /* sd_listen_fds(3): where a server that is started with its socket finds it */
#define NO_EXEC   127

/* ---- the socket ---- */

/* A listening socket and a connection to it. Its name is gone again before anybody else can have used it. */
static bool socket_pair(int *listener, int *client) {
    char dir[] = "/tmp/hvsim-nbd-XXXXXX";
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    *listener = *client = -1;
    if (!mkdtemp(dir)) return false; /* its mode is 0700 */
    snprintf(at.sun_path, sizeof at.sun_path, "%s/s", dir);
    *listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = *listener >= 0 && *client >= 0 && bind(*listener, (struct sockaddr *)&at, sizeof at) == 0 &&
              listen(*listener, 1) == 0 && connect(*client, (struct sockaddr *)&at, sizeof at) == 0;
    int error = errno;
    unlink(at.sun_path);
    rmdir(dir);
    errno = error;
    return ok;
}

/* ---- the child ---- */

extern char **environ;

/* The environment with room for the two variables of socket activation; `pid` is filled in by the child. */
static char **make_environment(char *fds, char *pid) {
    size_t n = 0, to = 0;
    while (environ[n]) n++;
    char **e = calloc(n + 3, sizeof *e);
    if (!e) return NULL;
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "LISTEN_", 7) != 0) e[to++] = environ[i];
    e[to++] = fds;
    e[to] = pid;
    return e;
}

/* Only what is safe after fork() in a process with threads */
static _Noreturn void become_server(int listener, int log, char **argv, char **env, char *pid) {
    char digits[16];
    unsigned n = 0;
    for (unsigned v = (unsigned)getpid(); v || !n; v /= 10) digits[n++] = (char)('0' + v % 10);
    while (*pid != '=') pid++;
    while (n) *++pid = digits[--n];
    *++pid = '\0';
    setsid(); /* the terminal's interrupt key ends us, and through us the child */
    if (dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0 && dup2(listener, LISTEN_FD) >= 0)
        execvpe(argv[0], argv, env);
    _exit(NO_EXEC);
}

static pid_t start_server(int listener, int log, char *file, char *format, bool writable) {
    char fds[] = "LISTEN_FDS=1", pid[32] = "LISTEN_PID=", name[] = "qemu-nbd", read_only[] = "--read-only",
         shared[] = "--shared=1", option[] = "--format";
    char *argv[] = {name, shared, option, format, file, writable ? NULL : read_only, NULL};
    char **env = make_environment(fds, pid);
    if (!env) return -1;
    int high = fcntl(listener, F_DUPFD_CLOEXEC, LISTEN_FD + 1); /* dup2() onto itself would not keep it open */
    pid_t child = high < 0 ? -1 : fork();
    if (child == 0) become_server(high, log, argv, env, pid);
    if (high >= 0) close(high);
    free(env);
    return child;
}

/* ---- opening ---- */

/* The last line that the child wrote, or what else is known of its end. */
static void explain(FILE *log, int status, const char *path, const char *format, char *err, size_t err_size) {
    char line[256] = "", next[256];
    rewind(log);
    while (fgets(next, sizeof next, log))
        if (next[0] != '\n') memcpy(line, next, sizeof line);
    line[strcspn(line, "\n")] = '\0';
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_EXEC)
        snprintf(err, err_size,
                 "%s: an image of format %s needs the program qemu-nbd (Debian: apt-get install qemu-utils)", path,
                 format);
    else
        snprintf(err, err_size, "%s: cannot open it as %s: %s", path, format, line[0] ? line : "qemu-nbd ended");
}

static bool connect_to(struct nbd_image *n, int client, uint64_t *size) {
    n->handle = nbd_create();
    if (!n->handle || nbd_connect_socket(n->handle, client) != 0) return false; /* it owns the socket, either way */
    int64_t bytes = nbd_get_size(n->handle);
    *size = bytes < 0 ? 0 : (uint64_t)bytes;
    return bytes >= 0;
}

static int end_server(struct nbd_image *n) {
    int status = 0;
    if (n->child > 0)
        while (waitpid(n->child, &status, 0) < 0 && errno == EINTR) continue;
    n->child = 0;
    return status;
}

static bool open_with(struct nbd_image *n, FILE *log, char *file, char *format, bool writable, uint64_t *size,
                      char *err, size_t err_size) {
    int listener, client;
    const char *path = file + strlen("file:");
    bool ok = socket_pair(&listener, &client);
    if (ok) n->child = start_server(listener, fileno(log), file, format, writable);
    if (!ok || n->child < 0) {
        snprintf(err, err_size, "%s: cannot start qemu-nbd: %s", path, strerror(errno));
        if (client >= 0) close(client);
    }
    if (listener >= 0) close(listener); /* the child's end of it closes what is not accepted */
    if (!ok || n->child < 0) return false;
    if (connect_to(n, client, size)) return true;
    nbd_close(n->handle);
    n->handle = NULL;
    explain(log, end_server(n), path, format, err, err_size);
    return false;
}

bool nbd_image_open(struct nbd_image *n, const char *path, const char *format, bool writable, uint64_t *size, char *err,
                    size_t err_size) {
    size_t len = strlen(path) + sizeof "file:";
    char *file = malloc(len), *name = strdup(format);
    FILE *log = tmpfile(); /* what the child says: shown when it fails */
    bool ok = false;
    if (file && name && log) {
        snprintf(file, len, "file:%s", path);
        ok = open_with(n, log, file, name, writable, size, err, err_size);
    } else {
        snprintf(err, err_size, "%s: cannot start qemu-nbd: out of memory or no temporary file", path);
    }
    if (log) fclose(log);
    free(name);
    free(file);
    return ok;
}

void nbd_image_close(struct nbd_image *n) {
    if (!n->handle) return;
    nbd_shutdown(n->handle, 0);
    nbd_close(n->handle);
    n->handle = NULL;
    end_server(n);
}

/* ---- transfers ---- */

static int last_error(void) {
    int e = nbd_get_errno();
    return e ? e : EIO;
}

int nbd_image_read(struct nbd_image *n, uint64_t offset, size_t size, void *buf) {
    for (size_t done = 0; done < size; done += PIECE) {
        size_t piece = size - done < PIECE ? size - done : PIECE;
        if (nbd_pread(n->handle, (char *)buf + done, piece, offset + done, 0) != 0) return last_error();
    }
    return 0;
}

int nbd_image_write(struct nbd_image *n, uint64_t offset, size_t size, const void *buf) {
    for (size_t done = 0; done < size; done += PIECE) {
        size_t piece = size - done < PIECE ? size - done : PIECE;
        if (nbd_pwrite(n->handle, (const char *)buf + done, piece, offset + done, 0) != 0) return last_error();
    }
    return 0;
}

int nbd_image_flush(struct nbd_image *n) {
    if (nbd_can_flush(n->handle) != 1) return 0;
    return nbd_flush(n->handle, 0) == 0 ? 0 : last_error();
}
